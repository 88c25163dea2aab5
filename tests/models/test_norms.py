"""Frozen and synchronised batch norms: names, values, training, folding for inference."""

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.inference import prepare_for_inference

SMALL = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8"]


def make(kind):
    model = build_model(load_cfg(None, [*SMALL, "MODEL.NORM", kind]))
    load_deterministic_weights(model)
    return model


def count_norms(model):
    return sum("Norm" in type(layer).__name__ for layer in model.modules())


@pytest.mark.parametrize("kind", ["frozen", "sync"])
def test_names_values_and_outputs_equal_batch_norm(kind):
    plain, other = make("batch"), make(kind)
    assert plain.state_dict().keys() == other.state_dict().keys()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found, folded = plain.eval()(images), other.eval()(images), prepare_for_inference(other)(images)
    for name, value in expected._asdict().items():
        torch.testing.assert_close(getattr(found, name), value, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(getattr(folded, name), value, rtol=1e-3, atol=1e-3)
    assert count_norms(prepare_for_inference(other)) == count_norms(prepare_for_inference(plain)) < count_norms(plain)


def test_frozen_norms_stay_and_other_layers_train():
    model = make("frozen").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    outputs = model(torch.rand(2, 3, 64, 64))
    sum(output.square().mean() for output in outputs).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    norms = [name for name, layer in model.named_modules() if type(layer).__name__ == "FrozenBatchNorm2d"]
    assert len(norms) > 30
    after = model.state_dict()
    for name in before:
        if name.rpartition(".")[0] in norms:
            assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["heads.heatmap.0.weight"], after["heads.heatmap.0.weight"])
