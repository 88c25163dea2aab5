import resource

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from fairmot.formats.images import read_image, read_reduced, write_image
from fairmot.utils.errors import InputError


@pytest.fixture
def image_rgb():
    return np.random.default_rng(3).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def test_png_is_read_as_rgb(tmp_path, image_rgb):
    write_image(tmp_path / "new folder" / "a.png", image_rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "new folder" / "a.png"), image_rgb)


def test_write_image_jpeg_quality(tmp_path):
    red = np.zeros((32, 32, 3), dtype=np.uint8)
    red[..., 0] = 200
    write_image(tmp_path / "good.jpg", red)
    write_image(tmp_path / "poor.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), quality=5)
    write_image(tmp_path / "fine.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), quality=99)
    assert np.abs(read_image(tmp_path / "good.jpg").astype(int) - red).max() <= 3
    assert (tmp_path / "poor.jpg").stat().st_size * 2 < (tmp_path / "fine.jpg").stat().st_size


def test_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: no such image"):
        read_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x10JFIF"])
def test_read_image_not_an_image_raises(tmp_path, content):
    (tmp_path / "text.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.jpg: not an image"):
        read_image(tmp_path / "text.jpg")


def test_write_image_unknown_suffix_raises(tmp_path, image_rgb):
    with pytest.raises(InputError, match=r"'\.xyz'; use \.jpg or \.png"):
        write_image(tmp_path / "a.xyz", image_rgb)
    assert list(tmp_path.iterdir()) == []


def test_write_image_unsupported_size_raises(tmp_path):
    with pytest.raises(InputError) as raised:
        write_image(tmp_path / "a.jpg", np.zeros((1, 70_000, 3), np.uint8))
    assert str(raised.value) == f"{tmp_path / 'a.jpg'}: cannot be written"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".JPG"])
def test_write_image_disk_error_names_reason(tmp_path, image_rgb, suffix):
    """A limit of the file size simulates a quota; Python ignores its signal."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(InputError) as raised:
            write_image(tmp_path / f"a{suffix}", image_rgb)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert str(raised.value) == f"{tmp_path / 'a'}{suffix}: cannot be written: File too large"
    assert list(tmp_path.iterdir()) == []


def ramps(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x / width, 255 * y / height, 0 * x + 100], axis=-1).astype(np.uint8)


def smooth(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def write_jpeg(path, image, *options):
    assert cv2.imwrite(str(path), image, options)
    return path


@pytest.mark.parametrize("size_hw", [(108, 192), (37, 53), (9, 8), (3, 5), (1, 1)])
@pytest.mark.parametrize(
    "options",
    [
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        (cv2.IMWRITE_JPEG_QUALITY, 30),
    ],
)
def test_jpeg_equals_opencv(tmp_path, size_hw, options):
    path = write_jpeg(tmp_path / "a.jpg", smooth(*size_hw), *options)
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def test_grey_jpeg_equals_opencv(tmp_path):
    path = write_jpeg(tmp_path / "a.jpg", smooth(40, 60)[..., 0])
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def test_cmyk_jpeg_is_decoded_by_opencv(tmp_path):
    cmyk = np.random.default_rng(0).integers(0, 256, (16, 24, 4), dtype=np.uint8)
    (tmp_path / "a.jpg").write_bytes(simplejpeg.encode_jpeg(cmyk, colorspace="CMYK"))
    expected = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), expected)
    assert read_reduced(tmp_path / "a.jpg", (8, 12)).pixels.shape == (8, 12, 3)


def test_read_image_ignores_suffix(tmp_path, image_rgb):
    write_image(tmp_path / "a.png", image_rgb)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), image_rgb)


def rotated(path, orientation):
    """Return the JPEG with an EXIF orientation."""
    tiff = b"MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation, 0, 0]) + b"\0" * 4
    segment = b"Exif\0\0" + tiff
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:])
    return path


@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_equals_opencv(tmp_path, orientation):
    path = rotated(write_jpeg(tmp_path / "a.jpg", smooth(40, 60)), orientation)
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert expected.shape[:2] == ((60, 40) if 5 <= orientation <= 8 else (40, 60))
    np.testing.assert_array_equal(read_image(path), expected)
    reduced = read_reduced(path, tuple(side / 2 for side in expected.shape[:2]))
    assert (reduced.full_hw, reduced.scale) == (expected.shape[:2], 0.5)
    small = cv2.resize(expected, reduced.pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.pixels.astype(int) - small).mean() < 3


def broken(data):
    middle = len(data) // 2
    yield "half", data[:middle]
    yield "without its end", data[:-2]
    yield "cut and closed", data[:middle] + b"\xff\xd9"
    yield "a hole", data[:middle] + bytes(1000) + data[middle + 1000 :]
    yield "a part lost", data[:middle] + data[middle + 1000 :]
    yield "markers", data[:middle] + b"\xff" * 1000 + data[middle + 1000 :]


@pytest.mark.parametrize("number", range(6))
def test_damaged_jpeg_is_named(tmp_path, number):
    path = write_jpeg(tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8))
    _, data = list(broken(path.read_bytes()))[number]
    (tmp_path / "broken.jpg").write_bytes(data)
    for read in (read_image, lambda path: read_reduced(path, (48, 80))):
        with pytest.raises(InputError, match=r"broken\.jpg: the JPEG is cut off or damaged"):
            read(tmp_path / "broken.jpg")


@given(st.integers(4, 3000))
def test_truncated_jpeg_raises(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "cut.jpg"
    data = simplejpeg.encode_jpeg(smooth(96, 160), quality=90, colorsubsampling="420")
    path.write_bytes(data[: min(length, len(data) - 1)])
    with pytest.raises(InputError, match=r"cut\.jpg"):
        read_image(path)


def test_jpeg_with_trailing_bytes_is_accepted(tmp_path):
    path = write_jpeg(tmp_path / "a.jpg", smooth(48, 64))
    data, expected = path.read_bytes(), read_image(path)
    for content in (data + bytes(100), data + b"trailer" * 500, data[:-2] + bytes(3) + data[-2:]):
        path.write_bytes(content)
        np.testing.assert_array_equal(read_image(path), expected)
        assert read_reduced(path, (24, 32)).pixels.shape == (24, 32, 3)


def test_images_with_unicode_paths_and_links(tmp_path, image_rgb):
    folder = tmp_path / "Straße 東京 two"
    write_image(folder / "ä b.png", image_rgb)
    write_image(folder / "ä b.jpg", image_rgb)
    (tmp_path / "link.jpg").symlink_to(folder / "ä b.jpg")
    np.testing.assert_array_equal(read_image(folder / "ä b.png"), image_rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "link.jpg"), read_image(folder / "ä b.jpg"))
    assert read_reduced(tmp_path / "link.jpg", (100, 100)).full_hw == (12, 20)
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match="no such image"):
        read_image(tmp_path / "dead.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("size_hw", [(216, 384), (217, 383), (101, 55)])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.51, 0.8, 1.0, 3.0])
def test_read_reduced_covers_size_and_keeps_pixel_positions(tmp_path, suffix, size_hw, part):
    path = write_jpeg(tmp_path / f"a{suffix}", ramps(*size_hw))
    reduced = read_reduced(path, (size_hw[0] * part, size_hw[1] * part + 1000))
    assert reduced.full_hw == size_hw
    assert reduced.scale * 8 == min(8, np.ceil(part * 8))
    full = read_image(path)
    rows, columns = (np.arange(side) for side in reduced.pixels.shape[:2])
    y, x = ((index + 0.5) / reduced.scale - 0.5 for index in (rows, columns))
    expected = cv2.remap(
        full, *np.meshgrid(x.astype("f4"), y.astype("f4")), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    off = (reduced.pixels.astype(int) - expected)[2:-2, 2:-2]
    assert np.abs(off.mean(axis=(0, 1))).max() < 0.6
    assert np.abs(off).max(initial=0) <= 6


def test_read_reduced_tiny_image_is_full_size(tmp_path):
    path = write_jpeg(tmp_path / "a.jpg", smooth(7, 200))
    assert read_reduced(path, (1, 1)).scale == 1
