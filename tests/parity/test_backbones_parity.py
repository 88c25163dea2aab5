"""Every backbone equals the published network: names, outputs, gradients, running means."""

import json

import numpy as np
import pytest
import torch
from helpers.published import BY_TIME, HEADS, REFERENCE, published_images, published_state, relative_error

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weight_names import to_ours, to_published

pytestmark = [pytest.mark.parity, pytest.mark.dataset]
DEAD = 1e-12
WITH_EVAL_MODE = ("dla_34", "dlaconv_34", "dlav0_34", "resfpndcn_34", "yolo")  # the others have no arrays of it
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


class Published:
    """One architecture's arrays and our network with its weights."""

    def __init__(self, name):
        self.arrays = np.load(REFERENCE / f"{name}.npz")
        keys = json.loads((REFERENCE / f"{name}.keys.json").read_text())
        self.model = build_model(load_cfg(None, ["MODEL.BACKBONE", name]))
        self.names = {theirs: to_ours(theirs, self.model.prefixes) for theirs in keys}
        self.shapes = {self.names[theirs]: tuple(shape) for theirs, shape in keys.items()}
        self.state = {self.names[theirs]: value for theirs, value in published_state(keys).items()}

    def reset(self):
        self.model.load_state_dict(self.state, strict=True)
        self.model.zero_grad()
        return self.model

    def parameters(self):
        """Our parameters in the published order."""
        own = dict(self.model.named_parameters())
        return [(ours, own[ours]) for theirs, ours in self.names.items() if not theirs.endswith(BUFFERS)]


@pytest.fixture(scope="module", params=BY_TIME)
def published(request):
    path = REFERENCE / f"{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"the published arrays of {request.param} are not beside the repository: {path}")
    return Published(request.param)


def test_names_and_shapes_are_the_published_ones(published):
    assert {name: tuple(value.shape) for name, value in published.model.state_dict().items()} == published.shapes
    assert len(published.names) == len(published.shapes)
    assert all(to_published(ours, published.model.prefixes) == theirs for theirs, ours in published.names.items())


@pytest.mark.parametrize("published", WITH_EVAL_MODE, indirect=True)
def test_eval_mode(published):
    model = published.reset().eval()
    with torch.inference_mode():
        outputs = model(published_images()[:1])
    for name, field in HEADS.items():
        assert relative_error(getattr(outputs, field)[0], published.arrays[f"eval_{name}"]) <= 1e-3, name


@pytest.mark.parametrize("published", WITH_EVAL_MODE, indirect=True)
def test_prepared_for_inference(published):
    """Folded and channels last, whole heads and heads at single cells: the published numbers still."""
    prepared = prepare_for_inference(published.reset())
    with torch.inference_mode():
        features = prepared.features(published_images()[:1])
        cells = torch.arange(0, 32 * 56, 3)[None]
        read = prepared.read_at(features, cells)
        outputs = prepared(published_images()[:1])
    for name, field in HEADS.items():
        reference = published.arrays[f"eval_{name}"]
        assert relative_error(getattr(outputs, field)[0], reference) <= 1e-3, name
        if field in read._fields:
            at_cells = reference.reshape(len(reference), -1)[:, cells[0]].T
            assert relative_error(getattr(read, field)[0], at_cells) <= 1e-3, name


def test_training_mode(published):
    """Outputs, loss, gradient norms and running means of one step; the dead parameters, and only they, are frozen."""
    model, arrays = published.reset().train(), published.arrays
    outputs = model(published_images())
    loss = sum(output.square().mean() for output in outputs)
    loss.backward()
    for name, field in HEADS.items():
        assert relative_error(getattr(outputs, field)[0].detach(), arrays[name]) <= 1e-3, name
    assert float(loss.detach()) == pytest.approx(float(arrays["loss"]), rel=1e-4)
    for (name, parameter), norm in zip(published.parameters(), arrays["grad_norms"], strict=True):
        assert parameter.requires_grad == (norm > 0), name
        assert (parameter.grad is not None) == (norm > 0), name
        if norm > DEAD:
            assert float(parameter.grad.norm()) == pytest.approx(float(norm), rel=0.02), name
    means = running_means(published)
    live = [index for index, (name, _) in enumerate(means) if is_live(model, name)]
    norms = np.array([float(value.norm()) for _, value in means])
    np.testing.assert_allclose(norms[live], arrays["bn_mean_norms"][live], rtol=1e-3)
    assert all(torch.equal(value, published.state[name]) for name, value in means if not is_live(model, name))


def running_means(published):
    state = published.model.state_dict()
    return [(ours, state[ours]) for ours in published.names.values() if ours.endswith("running_mean")]


def is_live(model, name):
    """The published network runs its dead layers, and so moves their running means; ours does not run them."""
    return model.get_submodule(name.rpartition(".")[0]).weight.requires_grad
