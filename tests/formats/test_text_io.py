import io
import json
import os
import subprocess
import sys

import pytest

from fairmot.formats.text_io import (
    LineStream,
    StreamingTextFile,
    append_row,
    filter_rows,
    part_path,
    require_different_file,
)
from fairmot.utils.errors import InputError


def test_lines_are_in_the_part_file_until_the_block_ends(tmp_path):
    path = tmp_path / "new" / "street.txt"
    with StreamingTextFile(path) as file:
        assert part_path(path).read_text() == ""
        file.write(["1,1\n", "1,2\n"])
        assert part_path(path).read_text() == "1,1\n1,2\n"
        file.write([])
        assert not path.exists()
    assert path.read_text() == "1,1\n1,2\n"
    assert [file.name for file in path.parent.iterdir()] == ["street.txt"]
    with pytest.raises(ValueError, match="write inside the block"):
        file.write(["late\n"])


def test_failure_keeps_the_part_file_and_the_old_file(tmp_path):
    path = tmp_path / "street.txt"
    path.write_text("old\n")

    def fail(file):
        file.write(["new\n"])
        raise RuntimeError

    with pytest.raises(RuntimeError), StreamingTextFile(path) as file:
        fail(file)
    assert (path.read_text(), part_path(path).read_text()) == ("old\n", "new\n")
    with StreamingTextFile(path) as file:
        file.write(["newer\n"])
    assert path.read_text() == "newer\n"
    assert not part_path(path).exists()


def test_failure_before_the_first_line_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), StreamingTextFile(tmp_path / "street.txt"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_finalize_creates_the_file_from_its_part(tmp_path):
    def uppercase(part, path):
        path.write_text(part.read_text().upper())
        part.unlink()

    with StreamingTextFile(tmp_path / "street.txt", finalize=uppercase) as file:
        file.write(["a\n"])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("street.txt", "A\n")]


def test_unwritable_path_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"street\.txt: cannot be written"),
        StreamingTextFile(tmp_path / "file" / "street.txt"),
    ):
        pass
    with pytest.raises(InputError, match="is a folder; expected a file"), StreamingTextFile(tmp_path):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_full_disk_is_one_line(tmp_path):
    part_path(tmp_path / "street.txt").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left on device"), StreamingTextFile(tmp_path / "street.txt") as file:
        file.write(["1,1\n"])
    assert not (tmp_path / "street.txt").exists()


def test_stream_is_not_closed():
    stream = io.StringIO()
    LineStream(stream).write(["a\n", "b\n"])
    assert not stream.closed
    assert stream.getvalue() == "a\nb\n"


def test_closed_pipe_is_no_error():
    """As in `fairmot track --json - ... | head -1`: nothing on stderr."""
    code = """
import sys
from fairmot.formats.text_io import LineStream
lines = LineStream()
for number in range(100000):
    lines.write([f"{number}\\n"])
    if lines.is_closed:
        sys.exit(7)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(20) == 7


def run_program(code, *, stdout):
    """Run a program with redirected standard output; return its exit code and stderr."""
    command = ["sh", "-c", f'exec "$@" {stdout}', "sh", sys.executable, "-c", code]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


ONE_LINE = """
import sys
from fairmot.formats.text_io import LineStream
from fairmot.utils.errors import InputError
try:
    LineStream().write(["a\\n"])
except InputError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_full_standard_output_is_one_line():
    line = "standard output: cannot be written: No space left on device\n"
    assert run_program(ONE_LINE, stdout=">/dev/full") == (2, line)


def test_closed_standard_output_is_one_line():
    assert run_program(ONE_LINE, stdout=">&-") == (2, "standard output: is closed\n")


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_input_file_is_refused_as_output(tmp_path, link):
    video, other = tmp_path / "video.mp4", tmp_path / "out" / "video.mp4"
    video.touch()
    other.parent.mkdir()
    require_different_file(other, video)  # does not exist yet
    require_different_file(video, tmp_path / "gone.mp4")
    require_different_file(video, tmp_path / ("long" * 100))
    getattr(other, link)(video)
    for path in (video, other, tmp_path / "out" / ".." / "video.mp4"):
        with pytest.raises(InputError) as raised:
            require_different_file(path, video)
        assert str(raised.value) == f"{path}: is the input itself; give another --output"
    other.unlink()
    other.touch()
    require_different_file(other, video)


def up_to_20(row):
    return row.get("step", 0) <= 20


def test_rows_are_appended_as_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_row(path, {"step": 1, "name": "Zoë"})
    append_row(path, {"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1, "name": "Zoë"}, {"step": 2}]


def test_filtered_and_incomplete_rows_are_removed(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 10}\n{"note": 1}\n{"step": 20}\n{"step": 30}\n7\n{"step": 1')
    filter_rows(path, up_to_20)
    assert path.read_text() == '{"step": 10}\n{"note": 1}\n{"step": 20}\n'


def test_file_without_rows_to_remove_is_not_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    filter_rows(path, up_to_20)
    assert not path.exists()
    path.write_text('{"step":20}\n')
    before = path.stat().st_mtime_ns
    filter_rows(path, up_to_20)
    assert path.stat().st_mtime_ns == before
