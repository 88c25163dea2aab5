import numpy as np
import pytest

from fairmot.commands.visualize import SHEET_TILES, TrackPainter
from fairmot.formats.images import read_image
from fairmot.structures.tracks import Tracks


def one_track(frame):
    return Tracks(np.array([1]), np.array([[10.0 + frame, 10, 20, 40]]), np.ones(1), np.zeros(1, int), np.zeros(1, int))


@pytest.mark.parametrize("frames", [1, SHEET_TILES, 2 * SHEET_TILES, 301])
def test_sheet_covers_the_sequence_in_bounded_memory(tmp_path, frames):
    painter, image = TrackPainter(trail=3), np.zeros((64, 96, 3), np.uint8)
    with painter.sheet(tmp_path / "sheet.png"):
        for frame in range(1, frames + 1):
            drawn = painter.draw(image, one_track(frame % 40), frame=2 * frame)
            assert drawn.any()
            assert len(painter._tiles) < 2 * SHEET_TILES
    shown = [frame for frame, _ in painter._tiles]
    assert shown[0] == 2
    assert shown == sorted(shown)
    assert shown[-1] >= 2 * frames * 0.85
    assert not image.any()
    assert read_image(tmp_path / "sheet.png").any()


def test_no_sheet_without_frames_or_after_an_error(tmp_path):
    with TrackPainter().sheet(tmp_path / "sheet.png"):
        pass
    painter = TrackPainter()
    painter.draw(np.zeros((64, 96, 3), np.uint8), one_track(1), frame=1)
    with pytest.raises(RuntimeError), painter.sheet(tmp_path / "sheet.png"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
