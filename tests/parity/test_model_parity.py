"""Parity of DLA-34 with the reference implementation (compact arrays)."""

import numpy as np
import pytest
import torch
from helpers.reference_arrays import FIXTURES, HEADS, reference_images, reference_keys, reference_state, relative_error

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.weight_names import to_own_name
from fairmot.models.weights import load_weights

pytestmark = pytest.mark.parity
REFERENCE = np.load(FIXTURES / "dla_34.npz")


@pytest.fixture(scope="module")
def model():
    model = build_model(load_cfg())
    report = load_weights(model, reference_state(reference_keys()))
    assert report.loaded_fraction == 1.0
    assert not report.missing
    assert not report.unexpected
    return model


def thinned(name, value):
    """The compact fixture keeps every fourth cell of the embedding map."""
    return value[:, ::4, ::4] if name.endswith("id") else value


def test_eval_mode_outputs_equal_the_reference(model):
    model.load_state_dict(initial_state(model))
    model.eval()
    with torch.inference_mode():
        outputs = model(reference_images()[:1])
    for name, field in HEADS.items():
        assert relative_error(thinned(name, getattr(outputs, field)[0]), REFERENCE[f"eval_{name}"]) <= 1e-3, name


def test_training_step_equals_the_reference(model):
    """Outputs and loss; every used parameter gets a gradient, unused ones are frozen."""
    model.load_state_dict(initial_state(model))
    model.train()
    outputs = model(reference_images())
    for name, field in HEADS.items():
        output = getattr(outputs, field)[0].detach()
        assert relative_error(thinned(name, output), REFERENCE[name]) <= 1e-3, name
    loss = sum(output.square().mean() for output in outputs)
    assert float(loss.detach()) == pytest.approx(float(REFERENCE["loss"]), rel=1e-4)
    loss.backward()
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    assert frozen == {f"backbone.level{n}.project.{k}" for n in (3, 4) for k in ("0.weight", "1.weight", "1.bias")}
    assert all(value.grad is not None for value in model.parameters() if value.requires_grad)


def initial_state(model):
    state = {to_own_name(name, model.prefixes): value for name, value in reference_state(reference_keys()).items()}
    assert state.keys() == model.state_dict().keys()
    return state
