"""Loading weights: what fits goes in, what does not is said."""

import re

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.formats.checkpoint import read_checkpoint, write_checkpoint
from fairmot.models.build import build_model
from fairmot.models.weights import PUBLISHED_PREFIXES, load_weights
from fairmot.utils.errors import InputError

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8"]


def slim(*overrides):
    return build_model(load_cfg(None, [*SLIM, *overrides]))


def in_published_names(state, prefix=""):
    renamed = {}
    for name, value in state.items():
        theirs = next(t + name.removeprefix(o) for t, o in PUBLISHED_PREFIXES if name.startswith(o))
        renamed[prefix + theirs] = value
    return renamed


def same(model, other):
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_published_names_prefixes_and_wrappers(tmp_path, prefix, wrapper):
    source, target = slim(), slim()
    state = in_published_names(source.state_dict(), prefix)
    path = tmp_path / "model.pth"
    write_checkpoint(path, {wrapper: state, "epoch": 30} if wrapper else state)
    report = load_weights(target, path)
    assert report.share == 1.0
    assert same(source, target)
    assert "loaded, 0 missing, 0 unexpected" in str(report)


def test_another_reid_dimension_keeps_its_own_head_and_says_so():
    source, target = slim("MODEL.REID_DIM", "128"), slim()
    before = target.heads["embedding"][2].weight.clone()
    report = load_weights(target, source.state_dict())
    assert report.mismatched == ("heads.embedding.2.weight", "heads.embedding.2.bias")
    assert torch.equal(target.heads["embedding"][2].weight, before)
    assert "mismatched: heads.embedding.2.weight" in str(report)


def test_missing_and_unexpected_names_are_listed():
    state = in_published_names(slim().state_dict())
    del state["reg.0.bias"]
    report = load_weights(slim(), {**state, "extra.weight": torch.zeros(3)})
    assert report.missing == ("heads.offset.0.bias",)
    assert report.unexpected == ("extra.weight",)


def test_loading_almost_nothing_is_an_error_and_changes_nothing():
    model = slim()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=r"state dict: only \d+\.\d% of the network's values"):
        load_weights(model, {"hm.2.bias": torch.zeros(1), "conv1.weight": torch.zeros(8, 3, 7, 7)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_unreadable_files_are_one_line(tmp_path):
    text = tmp_path / "notes.pt"
    text.write_text("not weights")
    for path, message in ((tmp_path / "none.pt", "no such file"), (tmp_path, "a folder"), (text, "not a checkpoint")):
        with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + message) as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)
    torch.save([1, 2], text)
    with pytest.raises(InputError, match="holds a list"):
        read_checkpoint(text)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"model": pytest.raises}, path)
    with pytest.raises(InputError, match="not a checkpoint that loads safely"):
        read_checkpoint(path)
