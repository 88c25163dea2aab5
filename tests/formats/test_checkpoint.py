"""Files of weights, old and broken: what loads does so without running code, the rest is one line."""

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
def test_numpy_beside_the_weights_in_both_formats(tmp_path, zipped):
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


def test_names_of_numpy_1(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(as_old_scripts_store(), path, _use_new_zipfile_serialization=False)
    modern, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    content = path.read_bytes()
    assert modern in content
    path.write_bytes(content.replace(modern, old))
    assert read_checkpoint(path)["epoch"] == 30


def test_an_array_of_objects_is_refused(tmp_path):
    path = tmp_path / "objects.pth"
    torch.save({"x": np.array([{"a": 1}, None], dtype=object)}, path)
    assert "more than weights (an array of O8" in refusal(path)


def test_the_allowance_for_numpy_ends_with_the_reading(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(as_old_scripts_store(), path)
    read_checkpoint(path)
    with pytest.raises(pickle.UnpicklingError, match="numpy"):
        torch.load(path, weights_only=True)


class Touch:
    """A file that would leave a mark if its code ran."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_does_not_run(tmp_path, zipped):
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    torch.save({"state_dict": WEIGHTS, "extra": Touch(mark)}, path, _use_new_zipfile_serialization=zipped)
    assert "it requires io.open" in refusal(path)
    assert not mark.exists()


def test_a_pickled_module_names_its_class_and_the_way_out(tmp_path):
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
def test_what_is_no_checkpoint_is_called_by_its_looks(tmp_path, content, message):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert f"not a checkpoint{'' if not content else ' that loads safely'}: {message}" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_cut_short_anywhere(tmp_path, zipped):
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
def test_a_changed_byte_in_a_tensor_is_found(damageable, place, flips):
    path, whole = damageable
    content, tensor = bytearray(whole), WEIGHTS["weight"].numpy().tobytes()
    content[content.index(tensor) + int(place * len(tensor))] ^= flips
    path.write_bytes(content)
    assert "/data/0 does not match its checksum)" in refusal(path)


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flips=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_found_or_means_nothing(damageable, place, flips):
    """The format has padding, dates and attributes that nobody reads."""
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


def test_a_tensor_that_is_called_a_folder(damageable):
    """PyTorch would leave its memory as it found it."""
    path, whole = damageable
    content = bytearray(whole)
    content[content.rindex(b"archive/data/0") - 8] ^= 0x10  # its attributes in the table of contents
    path.write_bytes(content)
    assert "archive/data/0 is flagged as a folder" in refusal(path)


def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"state_dict": WEIGHTS}, tmp_path / "quick.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checkpoint(tmp_path / "quick.pth")["state_dict"]["weight"], WEIGHTS["weight"])


def test_no_file_a_folder_and_no_dict(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.pt")
    assert "is a directory" in refusal(tmp_path)
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    assert "contains a list" in refusal(path)


@pytest.mark.parametrize("version", [0, 2, 1.0, True, "1", None, torch.ones(2)], ids=repr)
def test_checkpoint_of_unknown_format_is_refused(tmp_path, version):
    write_checkpoint(tmp_path / "last.pt", {"model": WEIGHTS, "format": version})
    assert "unknown checkpoint format" in refusal(tmp_path / "last.pt")


def test_current_format_and_weights_without_a_format_are_read(tmp_path):
    for number, extra in enumerate(({"format": FORMAT}, {})):
        write_checkpoint(tmp_path / f"{number}.pt", {"model": WEIGHTS, **extra})
        assert torch.equal(read_checkpoint(tmp_path / f"{number}.pt")["model"]["bias"], WEIGHTS["bias"])


def test_what_is_written_loads_in_the_strict_mode(tmp_path):
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
def test_the_checkpoint_before_goes_on_under_its_own_name(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", without_links)
    write_epochs(tmp_path, 1)
    assert epochs_in(tmp_path) == {"last.pt": 1}
    write_epochs(tmp_path, 2)
    assert epochs_in(tmp_path) == {"previous.pt": 1, "last.pt": 2}
    write_epochs(tmp_path, 3)
    assert epochs_in(tmp_path) == {"previous.pt": 2, "last.pt": 3}


def test_one_cut_short_does_not_take_the_place_of_a_whole_one(tmp_path):
    write_epochs(tmp_path, 1, 2)
    last = tmp_path / "last.pt"
    last.write_bytes(last.read_bytes()[:-1])
    write_epochs(tmp_path, 3)
    assert epochs_in(tmp_path) == {"previous.pt": 1, "last.pt": 3}


def test_no_room_for_the_one_before_leaves_both(tmp_path, monkeypatch):
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


def test_what_interrupts_a_write_is_kept_until_pytorch_is_done():
    class Interrupted:
        def write(self, data):
            raise KeyboardInterrupt

    outlet = _DeferredErrors(Interrupted())
    torch.save({"model": WEIGHTS}, outlet)
    assert isinstance(outlet.error, KeyboardInterrupt)


def test_the_offer_of_the_one_before(tmp_path):
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
    """Pickles as a call of our stand-in array with a buffer of its own: pointers made of the file's bytes."""

    def __reduce__(self):
        return numpy_pickle._Array, ((2,), "O", bytearray(16))


def test_an_array_over_bytes_of_the_file_is_never_made(tmp_path):
    path = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "extra": _ObjectsOverBytes()}, path)
    extra = read_checkpoint(path)["extra"]
    assert extra.dtype == np.int8
    assert extra.size == 0
