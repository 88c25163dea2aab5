"""Weight files of the reference implementation load completely and convert there and back."""

import json

import pytest
import torch
from helpers.reference_arrays import ARCHITECTURES, REFERENCE, reference_keys, reference_state

from fairmot.commands.convert import convert
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.weights import load_weights, match_weights

pytestmark = pytest.mark.parity


def check_file(keys, architecture, folder):
    """In the legacy format, with DataParallel's prefix, an epoch and an optimiser."""
    state = reference_state(keys)
    path = folder / "reference.pth"
    wrapped = {f"module.{name}": value for name, value in state.items()}
    content = {"epoch": 30, "state_dict": wrapped, "optimizer": {"param_groups": [{"lr": 1e-4}]}}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    report = load_weights(model, path)
    assert (report.missing, report.unexpected, report.mismatched, report.loaded_fraction) == ((), (), (), 1.0)
    done = convert(path, folder / "ours.pt")
    assert architecture == done.model["BACKBONE"]
    assert load_weights(model, folder / "ours.pt").loaded_fraction == 1.0
    convert(folder / "ours.pt", folder / "back.pth")
    back = torch.load(folder / "back.pth", weights_only=True)
    assert back["epoch"] == 30
    assert list(back["state_dict"]) == list(state)
    assert all(torch.equal(back["state_dict"][name], value) for name, value in state.items())


def test_default_architecture_converts_there_and_back(tmp_path):
    check_file(reference_keys(), "dla_34", tmp_path)


@pytest.mark.dataset
@pytest.mark.parametrize(
    "architecture",
    [name if name == "yolo" else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES],
)
def test_each_architecture_converts_there_and_back(architecture, tmp_path):
    path = REFERENCE / f"{architecture}.keys.json"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    check_file(json.loads(path.read_text()), architecture, tmp_path)


@pytest.mark.dataset
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_reid_dimension_reinitialises_the_embedding_head(architecture):
    path = REFERENCE / f"{architecture}.keys.json"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    keys = json.loads(path.read_text())
    keys |= {"id.2.weight": [128, *keys["id.2.weight"][1:]], "id.2.bias": [128]}
    with torch.device("meta"):
        model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    report = match_weights(model, reference_state(keys), label="state dict").report
    expected = ("heads.embedding (file 128, network 64)",)
    assert (report.reinitialised, report.missing, report.unexpected) == (expected, (), ())
