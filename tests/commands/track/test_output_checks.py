from pathlib import Path

import numpy as np
import pytest

from fairmot.commands.track.options import TrackOptions
from fairmot.commands.track.output_checks import require_inputs_kept, require_plain_name, require_unique_names
from fairmot.config.load import load_cfg
from fairmot.formats.images import write_image
from fairmot.utils.errors import InputError

PLAIN = load_cfg()


def sequence(folder, name):
    write_image(folder / "img1" / "1.png", np.zeros((8, 8, 3), np.uint8))
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength=1\n")
    return str(folder)


def test_duplicate_sequence_names_are_refused(tmp_path):
    sources = [sequence(tmp_path / folder, name) for folder, name in (("a", "MOT"), ("b", "other"), ("c", "MOT"))]
    require_unique_names(sources[:2])
    require_unique_names([sources[0]])
    require_unique_names(["rtsp://10.0.0.7/live"])  # not opened
    with pytest.raises(InputError) as raised:
        require_unique_names(sources)
    message = f"{sources[2]}: named 'MOT' like {sources[0]}; they would write the same files"
    assert str(raised.value) == message


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/b", ""])
def test_name_with_a_path_is_refused(tmp_path, name):
    sources = [sequence(tmp_path / "a", "street"), sequence(tmp_path / "b", name)]
    with pytest.raises(InputError, match=r"b: the name .* is no plain file name"):
        require_unique_names(sources)
    with pytest.raises(InputError, match="no plain file name"):
        require_plain_name(name, "somewhere")
    for plain in ("street", "10.0.0.7_live", "at 12:30", ".."):  # `..` gives `...txt`
        require_plain_name(plain, "somewhere")


def check(written, source, *, cfg=PLAIN, options=None, name="street"):
    require_inputs_kept(cfg, [Path(written)], options=options or TrackOptions(), source=str(source), name=name)


@pytest.fixture
def refused(tmp_path):
    """Check that an input is refused as output, and that a file of the same name elsewhere is not."""

    def expect(written, source, **how):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / written.name).touch()
        check(tmp_path / "elsewhere" / written.name, source, **how)
        with pytest.raises(InputError, match="is the input itself"):
            check(written, source, **how)

    return expect


def test_input_video_is_not_overwritten(tmp_path, refused):
    video = tmp_path / "street.mp4"
    video.touch()
    refused(video, video)


def test_input_image_is_not_overwritten_by_a_contact_sheet(tmp_path, refused):
    folder = tmp_path / "street"
    write_image(folder / "street.png", np.zeros((8, 8, 3), np.uint8))
    refused(folder / "street.png", folder)
    (folder / "street.txt").touch()
    check(folder / "street.txt", folder)  # of an earlier run, not read
    images = Path(sequence(tmp_path / "MOT", "1")) / "img1"
    refused(images / "1.png", tmp_path / "MOT")
    (tmp_path / "MOT" / "1.png").touch()
    check(tmp_path / "MOT" / "1.png", tmp_path / "MOT")


@pytest.mark.parametrize("as_folder", [True, False])
def test_public_detections_and_camera_motion_are_not_overwritten(tmp_path, refused, as_folder):
    files = tmp_path / "files"
    files.mkdir()
    (files / "street.txt").touch()
    given = files if as_folder else files / "street.txt"
    refused(files / "street.txt", "0", options=TrackOptions(public_detections=str(given)))
    overrides = ["TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(given)]
    refused(files / "street.txt", "rtsp://10.0.0.7/live", cfg=load_cfg(None, overrides))
    check(files / "street.txt", "0", cfg=load_cfg(None, overrides[2:]))  # not in use


def test_own_detections_are_not_overwritten(tmp_path, refused):
    source = sequence(tmp_path / "MOT", "det")
    own = tmp_path / "MOT" / "det" / "det.txt"
    own.parent.mkdir()
    own.touch()
    refused(own, source, options=TrackOptions(public_detections="det"), name="det")
