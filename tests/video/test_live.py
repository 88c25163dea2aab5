import numpy as np
import pytest

from fairmot.config.load import load_cfg
from fairmot.structures.frame import Frame
from fairmot.video.build import live_options
from fairmot.video.live import LiveOptions, play_in_real_time
from fairmot.video.stream import ReconnectPolicy


@pytest.mark.parametrize(
    ("drop", "file", "camera"), [("auto", False, True), ("never", False, False), ("always", True, True)]
)
def test_frames_are_dropped_by_option_and_kind_of_source(drop: str, file: bool, camera: bool) -> None:
    options = LiveOptions(drop=drop)
    assert (options.drops(live=False), options.drops(live=True)) == (file, camera)


def test_unknown_drop_is_refused() -> None:
    with pytest.raises(ValueError, match="choose from auto, never, always"):
        LiveOptions(drop="sometimes")


def test_options_come_from_the_configuration() -> None:
    keys = ["SOURCE.RECONNECT", "3", "SOURCE.RECONNECT_WAIT", "0.5", "SOURCE.TIMEOUT", "2.0", "SOURCE.DROP", "never"]
    assert live_options(load_cfg(None, keys)) == LiveOptions(reconnect=ReconnectPolicy(3, 0.5, 2.0), drop="never")
    assert live_options(load_cfg()) == LiveOptions()


def test_file_is_played_in_real_time() -> None:
    now, sleeps = [10.0], []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        now[0] += seconds

    image = np.zeros((4, 6, 3), np.uint8)
    times = []
    for frame in play_in_real_time(
        [Frame(n, image, time=t) for n, t in ((1, 0.0), (2, 0.1), (3, 0.2), (4, 0.5))],
        clock=lambda: now[0],
        sleep=sleep,
    ):
        times.append(now[0])
        now[0] += 0.25 if frame.index == 1 else 0.0  # a consumer that is late once
    assert times == pytest.approx([10.0, 10.25, 10.25, 10.5])
    assert sleeps == pytest.approx([0.25])
