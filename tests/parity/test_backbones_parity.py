"""Parity of every backbone with the reference implementation: names, outputs, gradients, running means."""

import json

import numpy as np
import pytest
import torch
from helpers.reference_arrays import BY_TIME, HEADS, REFERENCE, reference_images, reference_state, relative_error

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weight_names import to_own_name, to_reference_name

pytestmark = [pytest.mark.parity, pytest.mark.dataset]
DEAD = 1e-12
WITH_EVAL_MODE = ("dla_34", "dlaconv_34", "dlav0_34", "resfpndcn_34", "yolo")  # have arrays of eval mode
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


class Reference:
    """The arrays of one architecture and our network with the same weights."""

    def __init__(self, name):
        self.arrays = np.load(REFERENCE / f"{name}.npz")
        keys = json.loads((REFERENCE / f"{name}.keys.json").read_text())
        self.model = build_model(load_cfg(None, ["MODEL.BACKBONE", name]))
        self.names = {name: to_own_name(name, self.model.prefixes) for name in keys}
        self.shapes = {self.names[name]: tuple(shape) for name, shape in keys.items()}
        self.state = {self.names[name]: value for name, value in reference_state(keys).items()}

    def reset(self):
        self.model.load_state_dict(self.state, strict=True)
        self.model.zero_grad()
        return self.model

    def parameters(self):
        """Our parameters in the reference order."""
        own = dict(self.model.named_parameters())
        return [(name, own[name]) for name in self.names.values() if not name.endswith(BUFFERS)]


@pytest.fixture(scope="module", params=BY_TIME)
def reference(request):
    path = REFERENCE / f"{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    return Reference(request.param)


def test_names_and_shapes_equal_the_reference(reference):
    assert {name: tuple(value.shape) for name, value in reference.model.state_dict().items()} == reference.shapes
    assert len(reference.names) == len(reference.shapes)
    assert all(to_reference_name(own, reference.model.prefixes) == name for name, own in reference.names.items())


@pytest.mark.parametrize("reference", WITH_EVAL_MODE, indirect=True)
def test_eval_mode_outputs_equal_the_reference(reference):
    model = reference.reset().eval()
    with torch.inference_mode():
        outputs = model(reference_images()[:1])
    for name, field in HEADS.items():
        assert relative_error(getattr(outputs, field)[0], reference.arrays[f"eval_{name}"]) <= 1e-3, name


@pytest.mark.parametrize("reference", WITH_EVAL_MODE, indirect=True)
def test_prepared_network_outputs_equal_the_reference(reference):
    prepared = prepare_for_inference(reference.reset())
    with torch.inference_mode():
        heads = prepared.sparse_heads(reference_images()[:1])
        cells = torch.arange(0, 32 * 56, 3)[None]
        outputs = prepared(reference_images()[:1])
    for name, field in HEADS.items():
        expected = reference.arrays[f"eval_{name}"]
        assert relative_error(getattr(outputs, field)[0], expected) <= 1e-3, name
        if field != "heatmap":
            at_cells = expected.reshape(len(expected), -1)[:, cells[0]].T
            assert relative_error(getattr(heads, field).at(cells)[0], at_cells) <= 1e-3, name


def test_training_step_equals_the_reference(reference):
    """Outputs, loss, gradient norms and running means of one step; only unused parameters are frozen."""
    model, arrays = reference.reset().train(), reference.arrays
    outputs = model(reference_images())
    loss = sum(output.square().mean() for output in outputs)
    loss.backward()
    for name, field in HEADS.items():
        assert relative_error(getattr(outputs, field)[0].detach(), arrays[name]) <= 1e-3, name
    assert float(loss.detach()) == pytest.approx(float(arrays["loss"]), rel=1e-4)
    for (name, parameter), norm in zip(reference.parameters(), arrays["grad_norms"], strict=True):
        assert parameter.requires_grad == (norm > 0), name
        assert (parameter.grad is not None) == (norm > 0), name
        if norm > DEAD:
            assert float(parameter.grad.norm()) == pytest.approx(float(norm), rel=0.02), name
    means = running_means(reference)
    live = [index for index, (name, _) in enumerate(means) if is_live(model, name)]
    norms = np.array([float(value.norm()) for _, value in means])
    np.testing.assert_allclose(norms[live], arrays["bn_mean_norms"][live], rtol=1e-3)
    assert all(torch.equal(value, reference.state[name]) for name, value in means if not is_live(model, name))


def running_means(reference):
    state = reference.model.state_dict()
    return [(name, state[name]) for name in reference.names.values() if name.endswith("running_mean")]


def is_live(model, name):
    """Whether the layer is used; the reference runs unused layers, which changes their running means."""
    return model.get_submodule(name.rpartition(".")[0]).weight.requires_grad
