"""Optimizer builder: updates equal those of torch's optimizers, the default that of the reference implementation."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW

from fairmot.config.load import load_cfg
from fairmot.optim.build import build_optimizer

REFERENCES = {"adam": Adam, "adamw": AdamW, "sgd": partial(SGD, momentum=0.8)}
RECIPE = ("SOLVER.BASE_LR", "0.01", "SOLVER.MOMENTUM", "0.8")


def problem(dtype=torch.float32):
    """A network with a backbone and a norm, a criterion with a parameter, and what to train them on."""
    rng = torch.Generator().manual_seed(5)
    torch.manual_seed(4)
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    model = nn.Sequential()
    model.add_module("backbone", backbone)
    model.add_module("head", nn.Conv2d(8, 5, 1))
    batches = torch.randn(4, 2, 3, 8, 8, generator=rng, dtype=dtype)
    return model.to(dtype), nn.Conv2d(5, 1, 1).to(dtype), batches


def train(optimizer, model, criterion, batches):
    for images in batches:
        optimizer.zero_grad()
        functional.softplus(criterion(model(images))).mean().backward()
        optimizer.step()
    return [*model.state_dict().values(), *criterion.state_dict().values()]


def train_ours(*overrides, dtype=torch.float32):
    model, criterion, batches = problem(dtype)
    optimizer = build_optimizer(load_cfg(None, [*RECIPE, *overrides]), model=model, criterion=criterion)
    return train(optimizer, model, criterion, batches)


def test_default_optimizer_is_reference_adam_bit_exactly():
    """Reference: two groups by module, without weight decay."""
    model, criterion, batches = problem()
    groups = [{"params": list(model.parameters())}, {"params": list(criterion.parameters())}]
    before = train(Adam(groups, lr=1e-4, weight_decay=0.0, fused=True), model, criterion, batches)
    model, criterion, batches = problem()
    optimizer = build_optimizer(load_cfg(), model=model, criterion=criterion)
    now = train(optimizer, model, criterion, batches)
    assert all(map(torch.equal, before, now))
    assert type(optimizer) is Adam
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (1e-4, (0.9, 0.999), 1e-8)
        assert group["weight_decay"] == 0
        assert group["fused"] is True


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("fused", [True, False])
def test_weight_decay_and_rates_equal_torch_groups(name, fused):
    """Groups written by hand: weights of more than one dimension decay, the backbone's rate is a tenth."""
    model, criterion, batches = problem()
    kernel, scale, shift = model.backbone.parameters()
    weights, biases = zip(*(layer.parameters() for layer in (model.head, criterion)), strict=True)
    groups = [
        {"params": [kernel], "lr": 0.01 * 0.1, "weight_decay": 0.2},
        {"params": [scale, shift], "lr": 0.01 * 0.1, "weight_decay": 0.0},
        {"params": weights, "weight_decay": 0.2},
        {"params": biases, "weight_decay": 0.0},
    ]
    expected = train(REFERENCES[name](groups, lr=0.01, fused=fused), model, criterion, batches)
    options = ("SOLVER.OPTIMIZER", name, "SOLVER.FUSED", str(fused))
    ours = train_ours(*options, "SOLVER.WEIGHT_DECAY", "0.2", "SOLVER.BACKBONE_LR", "0.1")
    assert all(map(torch.equal, ours, expected))


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_optimizer_equals_unfused(name, dtype):
    options = ("SOLVER.OPTIMIZER", name, "SOLVER.WEIGHT_DECAY", "0.1")
    fused, plain = (train_ours(*options, "SOLVER.FUSED", flag, dtype=dtype) for flag in ("True", "False"))
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other)
    start = [*problem(dtype)[0].state_dict().values()]
    assert fused[0].dtype == dtype
    assert not torch.equal(fused[0], start[0])


@pytest.mark.parametrize("name", REFERENCES)
def test_weight_decay_without_gradient_has_known_value(name):
    """One step without a gradient: AdamW and SGD subtract rate x decay x weight, Adam a full rate."""
    model, criterion = nn.Linear(3, 2), nn.Linear(2, 1)
    options = ("SOLVER.OPTIMIZER", name, "SOLVER.WEIGHT_DECAY", "0.5")
    optimizer = build_optimizer(load_cfg(None, [*RECIPE, *options]), model=model, criterion=criterion)
    before = copy.deepcopy(model)
    for parameter in (*model.parameters(), *criterion.parameters()):
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = before.weight.sign() * 0.01 if name == "adam" else before.weight * 0.01 * 0.5
    torch.testing.assert_close(model.weight, before.weight - moved)
    assert torch.equal(model.bias, before.bias)


def test_momentum_is_not_nesterov():
    """Two steps of gradient 1: 1, then 1 + momentum, times the rate."""
    model, criterion = nn.Linear(1, 1), nn.Linear(1, 1)
    optimizer = build_optimizer(load_cfg(None, [*RECIPE, "SOLVER.OPTIMIZER", "sgd"]), model=model, criterion=criterion)
    start = model.weight.item()
    for _ in range(2):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
    assert start - model.weight.item() == pytest.approx(0.01 * (1 + 1.8), rel=1e-5)
