import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.formats.jpeg import decode_jpeg, encode_jpeg, read_jpeg_size, read_orientation, upright

START = b"\xff\xd8"


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def exif(orientation, order="little", *, tag=0x0112):
    """An EXIF segment of two entries, the second of them the orientation."""
    first = b"\x00\x01" if order == "big" else b"\x01\x00"
    head = (b"MM" if order == "big" else b"II") + (42).to_bytes(2, order) + (8).to_bytes(4, order)
    other = b"\x0f\x01" + first[::-1] * 5
    entry = tag.to_bytes(2, order) + (3).to_bytes(2, order) + (1).to_bytes(4, order) + orientation.to_bytes(2, order)
    return segment(0xE1, b"Exif\0\0" + head + (2).to_bytes(2, order) + other + entry + bytes(6))


@pytest.mark.parametrize("order", ["little", "big"])
def test_read_orientation_skips_other_segments(order):
    data = START + segment(0xE0, b"JFIF\0" + bytes(9)) + segment(0xE1, b"http://ns.adobe.com/xap") + b"\xff"
    assert read_orientation(data + exif(6, order)) == 6


@pytest.mark.parametrize(
    "data",
    [
        b"",
        START,
        START + exif(0),
        START + exif(9),
        START + exif(6, tag=0x0113),
        START + exif(6)[:20],
        START + segment(0xDA, b"scan") + exif(6),
    ],
)
def test_invalid_orientation_is_upright(data):
    assert read_orientation(data) == 1


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_header_parsers_accept_any_bytes(before, after):
    assert 1 <= read_orientation(START + before + exif(3) + after) <= 8
    assert 1 <= read_orientation(START + segment(0xE1, b"Exif\0\0" + before)) <= 8
    assert read_jpeg_size(before) is None


def test_upright_with_inverse_orientation_restores_image():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for orientation, back in zip(range(1, 9), (1, 2, 3, 4, 5, 8, 7, 6), strict=True):
        np.testing.assert_array_equal(upright(upright(image, orientation), back), image)


def test_read_jpeg_size():
    image = np.zeros((21, 34, 3), dtype=np.uint8)
    assert read_jpeg_size(encode_jpeg(image, quality=50)) == (21, 34)
    assert read_jpeg_size(cv2.imencode(".png", image)[1].tobytes()) is None


@pytest.mark.parametrize("eighths", range(1, 9))
@pytest.mark.parametrize("size_hw", [(8, 8), (9, 15), (64, 97)])
def test_sides_are_rounded_up(size_hw, eighths):
    data = encode_jpeg(np.zeros((*size_hw, 3), dtype=np.uint8), quality=90)
    image = decode_jpeg(data, size_hw=size_hw, eighths=eighths)
    assert image.shape[:2] == tuple(int(np.ceil(side * eighths / 8)) for side in size_hw)


def test_decode_jpeg_accepts_padding_but_not_extra_data():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    data = encode_jpeg(image, quality=80)
    expected = decode_jpeg(data, size_hw=(48, 64))
    np.testing.assert_array_equal(decode_jpeg(data[:-2] + bytes(700) + data[-2:], size_hw=(48, 64)), expected)
    with pytest.raises(ValueError, match="extraneous"):
        decode_jpeg(data[:-2] + bytes(range(200)) + data[-2:], size_hw=(48, 64))
