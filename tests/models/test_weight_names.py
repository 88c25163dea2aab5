"""Mapping of parameter names, for every architecture."""

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.models.architectures import BACKBONES
from fairmot.models.build import build_model
from fairmot.models.weight_names import (
    BACKBONE,
    OURS,
    REFERENCE,
    detect_naming,
    to_own_name,
    to_reference_name,
    unwrapped,
)


@pytest.fixture(scope="module", params=list(BACKBONES))
def model(request):
    with torch.device("meta"):
        return build_model(load_cfg(None, ["MODEL.BACKBONE", request.param]))


def test_reference_names_invert_to_own_names(model):
    own = list(model.state_dict())
    reference = [to_reference_name(name, model.prefixes) for name in own]
    assert len(set(reference)) == len(own)
    assert [to_own_name(name, model.prefixes) for name in reference] == own


def test_each_naming_scheme_is_detected(model):
    own = list(model.state_dict())
    reference = [to_reference_name(name, model.prefixes) for name in own]
    assert detect_naming(own, own=own, prefixes=model.prefixes).scheme == OURS
    wrapped = [f"module.{name}" for name in reference]
    naming = detect_naming(wrapped, own=own, prefixes=model.prefixes)
    assert naming == (REFERENCE, dict(zip(wrapped, own, strict=True)))
    backbone = [name for name in own if name.startswith("backbone.")]
    alone = [
        to_reference_name(name, model.prefixes).removeprefix("base.").removeprefix("backbone.") for name in backbone
    ]
    naming = detect_naming(alone, own=own, prefixes=model.prefixes)
    assert naming == (BACKBONE, dict(zip(alone, backbone, strict=True)))


def test_network_without_prefixes_uses_its_own_names():
    assert detect_naming(["0.weight", "x"], own=["0.weight"], prefixes=()) == (OURS, {"0.weight": "0.weight", "x": "x"})


def test_only_prefixes_of_all_names_are_unwrapped():
    assert unwrapped(["module.a", "b"]) == {"module.a": "module.a", "b": "b"}
    assert unwrapped(["module._orig_mod.a"]) == {"module._orig_mod.a": "a"}
    assert unwrapped([]) == {}
