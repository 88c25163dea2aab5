import numpy as np
import pytest

from fairmot.formats.images import read_image, write_image
from fairmot.utils.errors import InputError


@pytest.fixture
def picture():
    return np.random.default_rng(3).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def test_a_png_comes_back_as_rgb(tmp_path, picture):
    write_image(tmp_path / "new folder" / "a.png", picture)
    np.testing.assert_array_equal(read_image(tmp_path / "new folder" / "a.png"), picture)


def test_a_jpeg_keeps_its_colours_and_heeds_quality(tmp_path):
    red = np.zeros((32, 32, 3), dtype=np.uint8)
    red[..., 0] = 200
    write_image(tmp_path / "good.jpg", red)
    write_image(tmp_path / "poor.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), quality=5)
    write_image(tmp_path / "fine.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), quality=99)
    assert np.abs(read_image(tmp_path / "good.jpg").astype(int) - red).max() <= 3
    assert (tmp_path / "poor.jpg").stat().st_size * 2 < (tmp_path / "fine.jpg").stat().st_size


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: no such image"):
        read_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "text.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.jpg: not an image"):
        read_image(tmp_path / "text.jpg")


def test_an_unknown_suffix_writes_nothing(tmp_path, picture):
    with pytest.raises(InputError, match=r"'\.xyz'; use \.jpg or \.png"):
        write_image(tmp_path / "a.xyz", picture)
    assert list(tmp_path.iterdir()) == []
