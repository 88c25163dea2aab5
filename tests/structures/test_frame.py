import numpy as np
import pytest

from fairmot.structures.frame import Frame


def test_image_hw() -> None:
    assert Frame(1, np.zeros((4, 6, 3), np.uint8), "a.png").image_hw == (4, 6)


def test_time_is_optional() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert Frame(1, image).time is None
    assert Frame(2, image, time=0.5).time == 0.5


@pytest.mark.parametrize(
    ("index", "shape", "dtype", "word"),
    [
        (0, (4, 6, 3), np.uint8, "index"),
        (1, (4, 6), np.uint8, "shape"),
        (1, (4, 6, 3), np.float32, "uint8"),
    ],
)
def test_invalid_frames_are_refused(index: int, shape: tuple[int, ...], dtype: type, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Frame(index, np.zeros(shape, dtype))


@pytest.mark.parametrize("time", [-0.1, float("nan"), float("inf")])
def test_invalid_times_are_refused(time: float) -> None:
    with pytest.raises(ValueError, match="time"):
        Frame(1, np.zeros((4, 6, 3), np.uint8), time=time)
