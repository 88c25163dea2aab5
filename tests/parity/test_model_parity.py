"""DLA-34 equals the published network."""

import numpy as np
import pytest
import torch
from helpers.published import FIXTURES, HEADS, published_images, published_keys, published_state, relative_error

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.weight_names import to_ours
from fairmot.models.weights import load_weights

pytestmark = pytest.mark.parity
REFERENCE = np.load(FIXTURES / "dla_34.npz")


@pytest.fixture(scope="module")
def published_model():
    model = build_model(load_cfg())
    report = load_weights(model, published_state(published_keys()))
    assert report.share == 1.0
    assert not report.missing
    assert not report.unexpected
    return model


def thinned(name, value):
    """The compact fixture keeps every fourth cell of the embedding map."""
    return value[:, ::4, ::4] if name.endswith("id") else value


@pytest.mark.parametrize("name", HEADS)
def test_eval_mode_outputs(published_model, name):
    published_model.load_state_dict(load_published_state(published_model))
    published_model.eval()
    with torch.inference_mode():
        output = getattr(published_model(published_images()[:1]), HEADS[name])[0]
    assert relative_error(thinned(name, output), REFERENCE[f"eval_{name}"]) <= 1e-3


def test_training_mode_outputs_and_loss(published_model):
    published_model.load_state_dict(load_published_state(published_model))
    published_model.train()
    outputs = published_model(published_images())
    for name, field in HEADS.items():
        output = getattr(outputs, field)[0].detach()
        assert relative_error(thinned(name, output), REFERENCE[name]) <= 1e-3, name
    loss = sum(output.square().mean() for output in outputs)
    assert float(loss.detach()) == pytest.approx(float(REFERENCE["loss"]), rel=1e-4)


def load_published_state(model):
    state = {to_ours(name, model.prefixes): value for name, value in published_state(published_keys()).items()}
    assert state.keys() == model.state_dict().keys()
    return state


def test_every_live_parameter_gets_a_gradient_and_the_dead_are_frozen(published_model):
    published_model.train()
    published_model.zero_grad()
    sum(output.square().mean() for output in published_model(published_images())).backward()
    dead = {name for name, value in published_model.named_parameters() if not value.requires_grad}
    assert dead == {f"backbone.level{n}.project.{k}" for n in (3, 4) for k in ("0.weight", "1.weight", "1.bias")}
    idle = [name for name, value in published_model.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []
