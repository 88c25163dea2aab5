"""Files appear whole or not at all; the disk's refusal is one line; what killed writers leave goes away."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from fairmot.formats.atomic import STALE_SECONDS, atomic_write, check_writable, remove_leftovers, write_text
from fairmot.utils.errors import InputError

FULL = Path("/dev/full")  # every write to it fails as on a full disk


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def write_half(path, then):
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        then()


def raiser(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize("durable", [True, False])
def test_the_new_file_appears_whole_under_its_name(tmp_path, durable):
    path = tmp_path / "new" / "result.txt"
    with atomic_write(path, durable=durable) as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == path.suffix
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == ["result.txt"]


def test_the_disk_holds_the_content_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    path, synced = tmp_path / "result.txt", []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.exists())))
    with atomic_write(path, durable=True) as temporary:
        temporary.write_text("whole")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


@pytest.mark.parametrize("stood", [True, False])
def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path, stood):
    path = tmp_path / "result.txt"
    if stood:
        path.write_text("old")
    with pytest.raises(InputError) as caught:
        write_half(path, lambda: FULL.write_text("the rest"))
    end = "; the file there is as it was" if stood else ""
    assert str(caught.value) == f"{path}: cannot be written: No space left on device{end}"
    assert names(tmp_path) == (["result.txt"] if stood else [])
    assert not stood or path.read_text() == "old"


def test_a_name_that_the_file_system_refuses(tmp_path):
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_text(tmp_path / ("n" * 250 + ".txt"), "content")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "frames/000001.jpg"),
        OSError(errno.ENOSPC, "No space left on device", "another.txt"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        ValueError("a defect"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_about_this_file_passes(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught:
        write_half(path, raiser(error))
    assert caught.value is error
    assert names(tmp_path) == ["result.txt"]
    assert path.read_text() == "old"


def test_where_no_file_can_stand(tmp_path):
    with pytest.raises(InputError, match="a folder, where a file is to be written"):
        check_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written: (Not a directory|File exists)"):
        check_writable(tmp_path / "file" / "result.txt")


def test_a_leftover_of_our_own_number_is_not_written_through(tmp_path):
    """It may be another name of a file that is to be kept; in containers the same numbers come again and again."""
    path, kept = tmp_path / "result.txt", tmp_path / "kept.txt"
    kept.write_text("kept")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    temporary.hardlink_to(kept)
    write_text(path, "newer")
    assert (path.read_text(), kept.read_text()) == ("newer", "kept")


@pytest.fixture(scope="module")
def dead():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("template", "fresh_stays", "old_stays"),
    [
        (".last.{host}.{dead}.part.pt", False, False),
        (".last.{host}.{alive}.part.pt", True, False),
        (".last.elsewhere.{dead}.part.pt", True, False),
        (".last.{dead}.part.pt", True, False),
        (".best.{host}.{dead}.part.pt", True, True),
        (".last.{host}.{dead}.part.txt", True, True),
        (".last.{host}.{dead}.pt", True, True),
        ("x.last.{host}.{dead}.part.pt", True, True),
        ("last.pt", True, True),
    ],
)
def test_leftovers(tmp_path, dead, template, fresh_stays, old_stays):
    file = tmp_path / template.format(host=os.uname().nodename, dead=dead, alive=os.getppid())
    file.touch()
    written = file.stat().st_ctime
    remove_leftovers(tmp_path / "last.pt", now=written + STALE_SECONDS - 1)
    assert file.exists() == fresh_stays
    file.touch()
    remove_leftovers(tmp_path / "last.pt", now=file.stat().st_ctime + STALE_SECONDS + 1)
    assert file.exists() == old_stays


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / ("x" * 300)
    with pytest.raises(InputError, match="File name too long"), atomic_write(path):
        pass
