"""Checkpoint files: old and damaged ones load without running code, or are refused in one line."""

import errno
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.formats import legacy_pickle as numpy_pickle
from fairmot.formats.checkpoint import FORMAT, _DeferredErrors, offer_previous, read_checkpoint, write_checkpoint
from fairmot.utils.errors import InputError

WEIGHTS = OrderedDict(weight=torch.arange(600.0).reshape(2, 300), bias=torch.ones(2))


def as_old_scripts_store():
    return {
        "epoch": np.int64(30),
        "best": np.float64(0.731),
        "state_dict": OrderedDict(WEIGHTS),
        "random": ("MT19937", np.arange(5, dtype=np.uint32), np.bool_(True)),
        "map": np.arange(6, dtype=">f4").reshape(2, 3, order="F"),
        "words": np.array(["a", "bc"]),
    }


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_numpy_values_in_checkpoint_are_read(tmp_path, zipped):
    path = tmp_path / "old.pth"
    torch.save(as_old_scripts_store(), path, _use_new_zipfile_serialization=zipped)
    content = read_checkpoint(path)
    assert (content["epoch"], content["best"]) == (30, 0.731)
    assert torch.equal(content["state_dict"]["weight"], WEIGHTS["weight"])
    assert content["random"][0] == "MT19937"
    assert content["random"][1].tolist() == [0, 1, 2, 3, 4]
    assert content["random"][2]
    assert content["map"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert content["words"].tolist() == ["a", "bc"]


def test_numpy_1_module_names_are_read(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(as_old_scripts_store(), path, _use_new_zipfile_serialization=False)
    modern, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    content = path.read_bytes()
    assert modern in content
    path.write_bytes(content.replace(modern, old))
    assert read_checkpoint(path)["epoch"] == 30


def test_array_of_objects_is_refused(tmp_path):
    path = tmp_path / "objects.pth"
    torch.save({"x": np.array([{"a": 1}, None], dtype=object)}, path)
    assert "more than weights (an array of O8" in refusal(path)


def test_numpy_is_allowed_during_reading_only(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(as_old_scripts_store(), path)
    read_checkpoint(path)
    with pytest.raises(pickle.UnpicklingError, match="numpy"):
        torch.load(path, weights_only=True)


class Touch:
    """Object whose unpickling creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_checkpoint_does_not_run(tmp_path, zipped):
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    torch.save({"state_dict": WEIGHTS, "extra": Touch(mark)}, path, _use_new_zipfile_serialization=zipped)
    assert "it requires io.open" in refusal(path)
    assert not mark.exists()


def test_pickled_module_is_refused_by_class_with_advice(tmp_path):
    path = tmp_path / "yolov5s.pt"
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    text = refusal(path)
    assert "it requires torch.nn.modules.linear.Linear" in text
    assert "torch.save(model.state_dict()" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html><body>Quota exceeded</body></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "a compressed archive"),
        (b"not weights", "text"),
        (bytes(range(128, 256)), "an unknown format"),
        (pickle.dumps({"weight": [1.0]}), "a pickle, but not a PyTorch file"),
    ],
    ids=["empty", "html", "lfs", "gzip", "text", "noise", "pickle"],
)
def test_other_file_types_are_named(tmp_path, content, message):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert f"not a checkpoint{'' if not content else ' that loads safely'}: {message}" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_truncated_checkpoint_is_refused(tmp_path, zipped):
    path = tmp_path / "model.pth"
    torch.save({"state_dict": WEIGHTS}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in (*range(12, len(whole), 53), len(whole) - 1):
        path.write_bytes(whole[:length])
        words = refusal(path)
        assert "not a checkpoint that loads safely" in words
        assert not zipped or "a PyTorch file, but damaged or truncated (" in words
    path.write_bytes(whole[:3])
    assert "not a checkpoint that loads safely" in refusal(path)


@pytest.fixture(scope="module")
def damageable(tmp_path_factory):
    """A checkpoint's path and its bytes, of which many tests each break a copy."""
    path = tmp_path_factory.mktemp("damage") / "last.pt"
    write_checkpoint(path, {"model": WEIGHTS, "progress": {"epoch": 3, "step": 120, "best": 0.5}})
    return path, path.read_bytes()


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flips=st.integers(1, 255))
def test_changed_byte_in_tensor_is_detected(damageable, place, flips):
    path, whole = damageable
    content, tensor = bytearray(whole), WEIGHTS["weight"].numpy().tobytes()
    content[content.index(tensor) + int(place * len(tensor))] ^= flips
    path.write_bytes(content)
    assert "/data/0 does not match its checksum)" in refusal(path)


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flips=st.integers(1, 255))
def test_changed_byte_is_detected_or_harmless(damageable, place, flips):
    """The format has padding, dates and attributes that are not read."""
    path, whole = damageable
    content = bytearray(whole)
    content[int(place * len(content))] ^= flips
    path.write_bytes(content)
    try:
        read = read_checkpoint(path)
    except InputError as error:
        line = str(error)
    else:
        line = f"{path}: whole"
        assert read["progress"] == {"epoch": 3, "step": 120, "best": 0.5}
        assert all(torch.equal(read["model"][name], value) for name, value in WEIGHTS.items())
    assert line.startswith(f"{path}: ")
    assert "\n" not in line


def test_tensor_flagged_as_folder_is_refused(damageable):
    """PyTorch would leave its memory as it found it."""
    path, whole = damageable
    content = bytearray(whole)
    content[content.rindex(b"archive/data/0") - 8] ^= 0x10  # its attributes in the table of contents
    path.write_bytes(content)
    assert "archive/data/0 is flagged as a folder" in refusal(path)


def test_checkpoint_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"state_dict": WEIGHTS}, tmp_path / "quick.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checkpoint(tmp_path / "quick.pth")["state_dict"]["weight"], WEIGHTS["weight"])


def test_missing_file_folder_and_list_are_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.pt")
    assert "is a directory" in refusal(tmp_path)
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    assert "contains a list" in refusal(path)


@pytest.mark.parametrize("version", [0, 2, 1.0, True, "1", None, torch.ones(2)], ids=repr)
def test_checkpoint_of_unknown_format_is_refused(tmp_path, version):
    write_checkpoint(tmp_path / "last.pt", {"model": WEIGHTS, "cfg": {}, "format": version})
    assert "unknown checkpoint format" in refusal(tmp_path / "last.pt")


def test_current_format_and_weights_of_other_programs_are_read(tmp_path):
    for number, extra in enumerate(({"format": FORMAT}, {}, {"format": "pt"})):
        write_checkpoint(tmp_path / f"{number}.pt", {"model": WEIGHTS, **extra})
        assert torch.equal(read_checkpoint(tmp_path / f"{number}.pt")["model"]["bias"], WEIGHTS["bias"])


def test_written_checkpoint_loads_weights_only(tmp_path):
    path = tmp_path / "new" / "model.pt"
    write_checkpoint(path, {"model": WEIGHTS, "cfg": {"A": [1, "b"]}})
    assert torch.load(path, weights_only=True)["cfg"] == {"A": [1, "b"]}
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def write_epochs(folder, *epochs, previous="previous.pt"):
    for epoch in epochs:
        content = {"model": WEIGHTS, "progress": {"epoch": epoch, "step": 40 * epoch}}
        write_checkpoint(folder / "last.pt", content, previous=folder / previous)


def epochs_in(folder):
    return {file.name: read_checkpoint(file)["progress"]["epoch"] for file in folder.iterdir()}


def without_links(path, target):
    raise PermissionError(errno.EPERM, "Operation not permitted", str(target), None, str(path))


@pytest.mark.parametrize("has_links", [True, False])
def test_previous_checkpoint_is_kept(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", without_links)
    write_epochs(tmp_path, 1)
    assert epochs_in(tmp_path) == {"last.pt": 1}
    write_epochs(tmp_path, 2)
    assert epochs_in(tmp_path) == {"previous.pt": 1, "last.pt": 2}
    write_epochs(tmp_path, 3)
    assert epochs_in(tmp_path) == {"previous.pt": 2, "last.pt": 3}


def test_truncated_checkpoint_does_not_replace_previous(tmp_path):
    write_epochs(tmp_path, 1, 2)
    last = tmp_path / "last.pt"
    last.write_bytes(last.read_bytes()[:-1])
    write_epochs(tmp_path, 3)
    assert epochs_in(tmp_path) == {"previous.pt": 1, "last.pt": 3}


def test_full_disk_leaves_both_checkpoints(tmp_path, monkeypatch):
    write_epochs(tmp_path, 1, 2)
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(InputError, match=r"folder\.pt: is a folder; expected a file"):
        write_epochs(tmp_path, 3, previous="folder.pt")
    (tmp_path / "folder.pt").rmdir()
    monkeypatch.setattr(Path, "hardlink_to", without_links)
    monkeypatch.setattr("shutil.copyfile", lambda source, target: without_room(source, target))
    with pytest.raises(
        InputError, match=r"previous\.pt: cannot be written: No space left on device; the existing file is"
    ):
        write_epochs(tmp_path, 3)
    assert epochs_in(tmp_path) == {"previous.pt": 1, "last.pt": 2}


def without_room(source, target):
    raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))


def test_write_error_is_deferred_until_torch_save_ends():
    class Interrupted:
        def write(self, data):
            raise KeyboardInterrupt

    outlet = _DeferredErrors(Interrupted())
    torch.save({"model": WEIGHTS}, outlet)
    assert isinstance(outlet.error, KeyboardInterrupt)


def test_offer_previous_names_an_intact_checkpoint(tmp_path):
    previous = tmp_path / "previous.pt"
    assert offer_previous(previous) == ""
    write_epochs(tmp_path, 3, 4)
    assert offer_previous(previous) == (
        f"; the previous checkpoint (epoch 3, step 120) is intact: continue with --resume-from {previous}"
    )
    previous.write_bytes(previous.read_bytes()[:-1])
    assert offer_previous(previous) == ""
    write_checkpoint(previous, {"model": WEIGHTS})
    assert offer_previous(previous) == ""


class _ObjectsOverBytes:
    """Pickle of an object array over the bytes of the file."""

    def __reduce__(self):
        return numpy_pickle._Array, ((2,), "O", bytearray(16))


def test_array_over_file_bytes_is_not_created(tmp_path):
    path = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "extra": _ObjectsOverBytes()}, path)
    extra = read_checkpoint(path)["extra"]
    assert extra.dtype == np.int8
    assert extra.size == 0
