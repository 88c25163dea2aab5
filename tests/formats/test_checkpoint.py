"""Files of weights, old and broken: what loads does so without running code, the rest is one line."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from fairmot.formats import numpy_pickle
from fairmot.formats.checkpoint import read_checkpoint, write_checkpoint
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
    assert "it wants io.open" in refusal(path)
    assert not mark.exists()


def test_a_pickled_module_names_its_class_and_the_way_out(tmp_path):
    path = tmp_path / "yolov5s.pt"
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    text = refusal(path)
    assert "it wants torch.nn.modules.linear.Linear" in text
    assert "torch.save(model.state_dict()" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html><body>Quota exceeded</body></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "a compressed archive"),
        (b"not weights", "text"),
        (bytes(range(128, 256)), "no format known here"),
        (pickle.dumps({"weight": [1.0]}), "a pickle, but not one of PyTorch's"),
    ],
    ids=["empty", "html", "lfs", "gzip", "text", "noise", "pickle"],
)
def test_what_is_no_checkpoint_is_called_by_its_looks(tmp_path, content, message):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert f"not a checkpoint{'' if not content else ' that loads safely'}: {message}" in refusal(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file(tmp_path, zipped, share):
    path = tmp_path / "model.pth"
    torch.save({"state_dict": WEIGHTS}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "a PyTorch file, but damaged, cut short or" in refusal(path)


def test_no_file_a_folder_and_no_dict(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.pt")
    assert "a folder" in refusal(tmp_path)
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    assert "holds a list" in refusal(path)


def test_what_is_written_loads_in_the_strict_mode(tmp_path):
    path = tmp_path / "new" / "model.pt"
    write_checkpoint(path, {"model": WEIGHTS, "cfg": {"A": [1, "b"]}})
    assert torch.load(path, weights_only=True)["cfg"] == {"A": [1, "b"]}
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


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
