"""Preparation for inference: equal outputs, folded batch norms."""

import pytest
import torch
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.models.build import BACKBONES, build_model
from fairmot.models.inference import prepare_for_inference

SLIM = ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "16"]


def trained_model(backbone):
    """A slim network whose batch norms and deformable layers are far from their initial values."""
    torch.manual_seed(3)
    model = build_model(load_cfg(None, [*SLIM, "MODEL.BACKBONE", backbone]))
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, std=0.2)
        elif name.endswith("conv_offset_mask"):
            nn.init.normal_(module.weight, std=0.03)
    with torch.no_grad():
        for _ in range(3):  # running statistics
            model.train()(torch.rand(2, 3, 96, 128))
    return model


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_prepared_outputs_are_equal_and_the_model_unchanged(backbone):
    model = trained_model(backbone)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared = prepare_for_inference(model)
    images = torch.rand(2, 3, 96, 128)
    with torch.inference_mode():
        for name, ours in prepared(images)._asdict().items():
            reference = getattr(model.eval()(images), name)
            assert float((ours - reference).norm() / reference.norm()) <= 2e-4, name
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_used_batch_norm_is_folded(backbone):
    """Only the unused projections of DLA keep theirs."""
    prepared = prepare_for_inference(build_model(load_cfg(None, [*SLIM, "MODEL.BACKBONE", backbone])))
    remaining = {name for name, module in prepared.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert remaining <= {"backbone.level3.project.1", "backbone.level4.project.1"}
    assert not any(value.requires_grad for value in prepared.parameters())


def test_other_modules_raise():
    with pytest.raises(TypeError, match="JointDetector"):
        prepare_for_inference(nn.Linear(2, 2))
