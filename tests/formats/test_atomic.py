"""Atomic writes, disk errors in one line, and removal of leftovers."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from fairmot.formats.atomic import STALE_SECONDS, atomic_write, check_writable, remove_leftovers, write_text
from fairmot.utils.errors import InputError

FULL = Path("/dev/full")  # every write fails as on a full disk


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
def test_file_appears_when_it_is_complete(tmp_path, durable):
    path = tmp_path / "new" / "result.txt"
    with atomic_write(path, durable=durable) as temporary:
        temporary.write_text("complete")
        assert temporary.suffix == path.suffix
        assert not path.exists()
    assert path.read_text() == "complete"
    assert names(path.parent) == ["result.txt"]


def test_durable_write_synchronizes_content_and_folder(tmp_path, monkeypatch):
    path, synced = tmp_path / "result.txt", []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.exists())))
    with atomic_write(path, durable=True) as temporary:
        temporary.write_text("complete")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


@pytest.mark.parametrize("existed", [True, False])
def test_full_disk_is_one_line_and_changes_nothing(tmp_path, existed):
    path = tmp_path / "result.txt"
    if existed:
        path.write_text("old")
    with pytest.raises(InputError) as caught:
        write_half(path, lambda: FULL.write_text("the rest"))
    end = "; the existing file is unchanged" if existed else ""
    assert str(caught.value) == f"{path}: cannot be written: No space left on device{end}"
    assert names(tmp_path) == (["result.txt"] if existed else [])
    assert not existed or path.read_text() == "old"


def test_name_that_the_file_system_rejects_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_text(tmp_path / ("n" * 250 + ".txt"), "content")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "frames/000001.jpg"),
        OSError(errno.ENOSPC, "No space left on device", "another.txt"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        ValueError("a bug"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_unrelated_error_is_raised_unchanged(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught:
        write_half(path, raiser(error))
    assert caught.value is error
    assert names(tmp_path) == ["result.txt"]
    assert path.read_text() == "old"


def test_check_writable_refuses_folders_and_files_as_parents(tmp_path):
    with pytest.raises(InputError, match="is a folder; expected a file"):
        check_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written: (Not a directory|File exists)"):
        check_writable(tmp_path / "file" / "result.txt")


def test_leftover_of_the_same_process_number_is_not_reused(tmp_path):
    """It may be a link to another file; in containers process numbers repeat."""
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
def test_leftovers_of_dead_processes_are_removed(tmp_path, dead, template, fresh_stays, old_stays):
    file = tmp_path / template.format(host=os.uname().nodename, dead=dead, alive=os.getppid())
    file.touch()
    written = file.stat().st_ctime
    remove_leftovers(tmp_path / "last.pt", now=written + STALE_SECONDS - 1)
    assert file.exists() == fresh_stays
    file.touch()
    remove_leftovers(tmp_path / "last.pt", now=file.stat().st_ctime + STALE_SECONDS + 1)
    assert file.exists() == old_stays


def test_too_long_name_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / ("x" * 300)
    with pytest.raises(InputError, match="File name too long"), atomic_write(path):
        pass
