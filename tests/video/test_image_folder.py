from pathlib import Path

import numpy as np
import pytest

from fairmot.formats.images import write_image
from fairmot.utils.errors import InputError
from fairmot.video.image_folder import ImageFolderReader


def make(folder: Path, count: int, info: str | None = None) -> Path:
    for number in range(1, count + 1):
        write_image(folder / "img1" / f"{number:06d}.png", np.full((24, 32, 3), number, np.uint8))
    if info is not None:
        (folder / "seqinfo.ini").write_text(f"[Sequence]\n{info}")
    return folder


def test_subset_is_numbered_and_timed_from_its_first_image(tmp_path: Path) -> None:
    reader = ImageFolderReader(make(tmp_path / "S", 5, "name=S\nframeRate=10\nseqLength=5\n"), range(2, 4))
    assert (reader.name, reader.length, reader.frame_rate, reader.image_hw, reader.live) == (
        "S",
        2,
        10.0,
        (24, 32),
        False,
    )
    assert [(frame.index, frame.time, frame.image[0, 0, 0]) for frame in reader] == [(1, 0.0, 3), (2, 0.1, 4)]
    assert reader.notes() == []


def test_indices_beyond_the_end_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 images, none from image 6 on"):
        ImageFolderReader(make(tmp_path / "S", 2), range(5, 9))
