from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fairmot.formats.camera_motion import MAX_FRAMES, read_camera_motion
from fairmot.utils.errors import InputError

PAN = np.array([[1.0, 0, 3.5], [0, 1, -2]])
BOT_SORT = (
    "0\t1.000000\t0.000000\t0.000000\t0.000000\t1.000000\t0.000000\t\n"
    "1\t1.001000\t0.000200\t3.500000\t-0.000200\t0.999000\t-2.000000\t\n"
)


def written(folder: Path, text: str) -> Path:
    path = folder / "motion.txt"
    path.write_text(text, encoding="utf-8")
    return path


@given(st.integers(0, 6).flatmap(lambda count: arrays.arrays(np.float64, (count, 2, 3), elements=st.floats(-1e6, 1e6))))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_are_read_bit_exactly(tmp_path, matrices):
    matrices[:, 0, 0], matrices[:, 1, 1] = 1e7, 1e7  # invertible
    rows = enumerate(matrices.reshape(-1, 6).tolist(), 1)
    path = written(tmp_path, "".join(f"{frame} {' '.join(map(repr, row))}\n" for frame, row in rows))
    np.testing.assert_array_equal(read_camera_motion(path), matrices)


def test_frames_without_a_line_have_no_motion(tmp_path):
    path = written(tmp_path, "# a comment\n\n4 1 0 3.5 0 1 -2   # a pan\n2, 1, 0, 1, 0, 1, 0\n")
    matrices = read_camera_motion(path)
    assert matrices.shape == (4, 2, 3)
    np.testing.assert_array_equal(matrices[3], PAN)
    np.testing.assert_array_equal(matrices[1], [[1, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(matrices[[0, 2]], [np.eye(2, 3)] * 2)


def test_bot_sort_files_count_from_zero(tmp_path):
    matrices = read_camera_motion(written(tmp_path, BOT_SORT))
    np.testing.assert_array_equal(matrices, [np.eye(2, 3), [[1.001, 0.0002, 3.5], [-0.0002, 0.999, -2]]])


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "\ufeff"])
def test_empty_file_has_no_frame(tmp_path, text):
    assert read_camera_motion(written(tmp_path, text)).shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 0 0 0 1 0\n2 1 0 0 0 1\n", r"motion.txt:2: 6 columns; expected 7"),
        ("1 1 0 0 0 1 0 0\n", r"motion.txt:1: 8 columns"),
        ("1 1 0 x 0 1 0\n", r"motion.txt:1: not a row of numbers: '1 1 0 x"),
        ("# c\n1 1 0 nan 0 1 0\n", r"motion.txt:2: a value is not finite"),
        ("1 1 0 inf 0 1 0\n", r"motion.txt:1: a value is not finite"),
        ("1.5 1 0 0 0 1 0\n", r"motion.txt:1: frame 1.5 is not an integer"),
        ("-1 1 0 0 0 1 0\n", r"motion.txt:1: frame -1 is not an integer"),
        ("nan 1 0 0 0 1 0\n", r"motion.txt:1: frame nan is not an integer"),
        (f"{MAX_FRAMES + 1} 1 0 0 0 1 0\n", r"motion.txt:1: frame 10000001 is not"),
        ("3 1 0 0 0 1 0\n3 1 0 0 0 1 0\n", r"motion.txt:2: duplicate frame 3"),
        ("1 1 2 0 1 2 0\n", r"motion.txt:1: singular affine"),
    ],
)
def test_invalid_line_is_named_by_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_camera_motion(written(tmp_path, text))


def test_unreadable_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: no such file"):
        read_camera_motion(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=str(tmp_path)):
        read_camera_motion(tmp_path)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match=r"binary.txt: not a text file"):
        read_camera_motion(tmp_path / "binary.txt")
