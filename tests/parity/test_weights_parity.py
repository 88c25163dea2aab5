"""Files in the published names load whole and convert there and back, for each published architecture."""

import json

import pytest
import torch
from helpers.published import ARCHITECTURES, REFERENCE, published_keys, published_state

from fairmot.commands.convert import convert
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.weights import load_weights, match_weights

pytestmark = pytest.mark.parity


def check_file(keys, architecture, folder):
    """As an old script stored it: the legacy format, DataParallel's prefix, an epoch and an optimiser beside."""
    state = published_state(keys)
    path = folder / "published.pth"
    wrapped = {f"module.{name}": value for name, value in state.items()}
    content = {"epoch": 30, "state_dict": wrapped, "optimizer": {"param_groups": [{"lr": 1e-4}]}}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    report = load_weights(model, path)
    assert (report.missing, report.unexpected, report.mismatched, report.share) == ((), (), (), 1.0)
    done = convert(path, folder / "ours.pt")
    assert architecture == done.cfg.MODEL.BACKBONE
    assert load_weights(model, folder / "ours.pt").share == 1.0
    convert(folder / "ours.pt", folder / "back.pth")
    back = torch.load(folder / "back.pth", weights_only=True)
    assert back["epoch"] == 30
    assert list(back["state_dict"]) == list(state)
    assert all(torch.equal(back["state_dict"][name], value) for name, value in state.items())


def test_the_default_architecture(tmp_path):
    check_file(published_keys(), "dla_34", tmp_path)


@pytest.mark.dataset
@pytest.mark.parametrize(
    "architecture",
    [name if name in ("dla_34", "yolo") else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES],
)
def test_every_architecture(architecture, tmp_path):
    path = REFERENCE / f"{architecture}.keys.json"
    if not path.is_file():
        pytest.skip(f"the published names of {architecture} are not beside the repository: {path}")
    check_file(json.loads(path.read_text()), architecture, tmp_path)


@pytest.mark.dataset
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_with_another_reid_dimension(architecture):
    path = REFERENCE / f"{architecture}.keys.json"
    if not path.is_file():
        pytest.skip(f"the published names of {architecture} are not beside the repository: {path}")
    keys = json.loads(path.read_text())
    keys |= {"id.2.weight": [128, *keys["id.2.weight"][1:]], "id.2.bias": [128]}
    with torch.device("meta"):
        model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    report = match_weights(model, published_state(keys), label="state dict").report
    said = ("heads.embedding (file 128, network 64)",)
    assert (report.reinitialised, report.missing, report.unexpected) == (said, (), ())
