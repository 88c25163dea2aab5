"""TaskWeightingLike on problems whose answers are known, and what their papers promise of them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_task_weighting
from fairmot.losses.task_weighting import (
    MGDAUB,
    FixedWeighting,
    GradNorm,
    PCGrad,
    UncertaintyWeighting,
    dot,
    project_conflicts,
)
from fairmot.structures.outputs import TaskGradientStats

A, B = torch.tensor([0.0, 0.0]), torch.tensor([2.0, 0.0])
VECTORS = hnp.arrays("float64", 3, elements=st.floats(-10, 10).map(lambda value: round(value, 3)))


def two_quadratics(x, *, scale=1.0):
    """|x - a|^2 / 2 and scale |x - b|^2 / 2: the Pareto set is the segment from a to b."""
    return 0.5 * (x - A).square().sum(), scale * 0.5 * (x - B).square().sum()


def gradients(losses, x):
    return [torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in losses]


def reading_of(losses, x):
    first, second = gradients(losses, x)
    products = torch.stack([first @ first, first @ second, second @ second])
    return TaskGradientStats(products, torch.stack(losses).detach())


def descend(balance, *, start, steps=400, rate=0.05, scale=1.0):
    """Minimise both quadratics by `balance`, as the trainer does; return where it ends."""
    x = torch.tensor(start, requires_grad=True)
    for _ in range(steps):
        losses = two_quadratics(x, scale=scale)
        reading = reading_of(losses, x)
        if balance.needs_gradients == "before":
            balance.update(reading)
        if balance.merges_gradients:
            weighted = [weight * loss for weight, loss in zip(balance.weights(), losses, strict=True)]
            first, second = gradients(weighted, x)
            (gradient,) = balance.merge_gradients([first], [second])
        else:
            gradient = torch.autograd.grad(balance(*losses), x)[0]
        if balance.needs_gradients == "after":
            balance.update(reading)
        with torch.no_grad():
            x -= rate * gradient
    return x.detach()


@pytest.mark.parametrize(
    ("weights", "scale", "expected"), [((1.0, 1.0), 1.0, 1.0), ((1.0, 3.0), 1.0, 1.5), ((1.0, 1.0), 3.0, 1.5)]
)
def test_fixed_weights_converge_to_weighted_mean(weights, scale, expected):
    end = descend(FixedWeighting(weights), start=[5.0, 4.0], scale=scale)
    assert torch.allclose(end, torch.tensor([expected, 0.0]), atol=1e-4)


def test_uncertainty_optimum_is_the_logarithm_of_each_loss():
    balance = UncertaintyWeighting(start_det=0.0, start_id=0.0)
    losses = torch.tensor(0.5), torch.tensor(3.0)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.2)
    for _ in range(500):
        optimizer.zero_grad()
        balance(*losses).backward()
        optimizer.step()
    assert float(balance.s_det.detach()) == pytest.approx(math.log(0.5), abs=1e-3)
    assert float(balance.s_id.detach()) == pytest.approx(math.log(3.0), abs=1e-3)
    assert balance.weights().tolist() == pytest.approx([1.0, 1 / 6], abs=1e-3)


@pytest.mark.parametrize("start", [[5.0, 4.0], [-3.0, 1.0], [1.2, -2.0]], ids=str)
def test_mgda_converges_to_the_pareto_set(start):
    """Once there the shortest combination is 0; from outside it is the way to the set, here the nearest point of it."""
    end = descend(MGDAUB(), start=start)
    nearest = torch.tensor([min(max(start[0], 0.0), 2.0), 0.0])
    assert torch.allclose(end, nearest, atol=1e-3)


def test_mgda_at_a_pareto_point_has_gradient_0():
    balance, x = MGDAUB(), torch.tensor([0.5, 0.0], requires_grad=True)
    losses = two_quadratics(x)
    balance.update(reading_of(losses, x))
    assert balance.weights().tolist() == pytest.approx([0.75, 0.25])  # 0.75 * 0.5 = 0.25 * 1.5
    assert torch.allclose(torch.autograd.grad(balance(*losses), x)[0], torch.zeros(2), atol=1e-6)


@given(VECTORS, VECTORS)
def test_mgda_has_least_norm_and_harms_no_task(first, second):
    g1, g2 = torch.from_numpy(first), torch.from_numpy(second)
    if g1.norm() < 1e-3 or g2.norm() < 1e-3:
        return
    balance = MGDAUB().double()
    balance.update(TaskGradientStats(torch.stack([g1 @ g1, g1 @ g2, g2 @ g2]), torch.ones(2, dtype=torch.float64)))
    w1, w2 = balance.weights().tolist()
    assert w1 + w2 == pytest.approx(1.0)
    found = w1 * g1 + w2 * g2
    shares = torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
    lengths = (shares * g1 + (1 - shares) * g2).norm(dim=1)
    assert float(found.norm()) <= float(lengths.min()) + 1e-6
    assert float(found @ g1) >= float(found @ found) - 1e-6
    assert float(found @ g2) >= float(found @ found) - 1e-6


@pytest.mark.parametrize("normalize", ["l2", "loss"])
def test_normalized_mgda_ignores_the_losses_scale(normalize):
    ends = [descend(MGDAUB(normalize=normalize), start=[1.2, -2.0], scale=scale, rate=0.02) for scale in (1.0, 100.0)]
    first, second = MGDAUB(normalize=normalize), MGDAUB(normalize=normalize)
    x = torch.tensor([1.2, -2.0], requires_grad=True)
    first.update(reading_of(two_quadratics(x), x))
    second.update(reading_of(two_quadratics(x, scale=100.0), x))
    assert torch.allclose(first.weights(), second.weights() * torch.tensor([1.0, 100.0]), rtol=1e-4)
    assert all(abs(float(end[1])) < 0.1 for end in ends)


@pytest.mark.parametrize(("normalize", "weight"), [("none", 1.0), ("l2", 0.5), ("loss", 1 / 3)])
def test_mgda_without_identities_weighs_detection_alone(normalize, weight):
    balance = MGDAUB(normalize=normalize)
    balance.update(TaskGradientStats(torch.tensor([4.0, 0.0, 0.0]), torch.tensor([3.0, 0.0])))
    assert balance.weights().tolist() == pytest.approx([weight, 0.0])


@pytest.mark.parametrize("kind", [MGDAUB, GradNorm])
def test_weighting_without_one_task_keeps_the_other(kind):
    balance = kind()
    before = balance.weights().clone()
    balance.update(TaskGradientStats(torch.tensor([4.0, 0.0, 0.0]), torch.tensor([3.0, 0.0])))
    expected = torch.tensor([1.0, 0.0]) if kind is MGDAUB else before
    assert torch.equal(balance.weights(), expected)


@pytest.mark.parametrize("kind", [MGDAUB, GradNorm])
@pytest.mark.parametrize("broken", [math.inf, math.nan])
def test_weighting_ignores_nonfinite_gradients(kind, broken):
    balance = kind()
    before = {name: value.clone() for name, value in balance.state_dict().items()}
    balance.update(TaskGradientStats(torch.tensor([broken, 0.0, 1.0]), torch.tensor([3.0, 1.0])))
    after = balance.state_dict()
    assert all(torch.equal(after[name].nan_to_num(), value.nan_to_num()) for name, value in before.items())


def test_gradnorm_equalizes_norms_at_equal_learning_speed():
    """Targets are then equal, whatever alpha: the weights end inversely as the norms, their sum stays 2."""
    balance = GradNorm(alpha=1.5, rate=0.01)
    for _ in range(600):
        balance.update(TaskGradientStats(torch.tensor([9.0, 0.0, 1.0]), torch.tensor([1.0, 1.0])))
    w1, w2 = balance.weights().tolist()
    assert w1 + w2 == pytest.approx(2.0)
    assert 3 * w1 == pytest.approx(1 * w2, abs=0.1)


def test_gradnorm_favours_the_slower_task_by_alpha():
    """Losses left: 1/4 and 1, relative to their mean 0.4 and 1.6; the mean norm is 1: the faster one's is 0.4^alpha."""
    for alpha in (0.5, 1.0):
        balance = GradNorm(alpha=alpha, rate=0.002)
        balance.update(TaskGradientStats(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([8.0, 2.0])))
        for _ in range(4000):
            balance.update(TaskGradientStats(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([2.0, 2.0])))
        w1, w2 = balance.weights().tolist()
        assert w1 == pytest.approx(0.4**alpha, rel=0.02)
        assert w1 + w2 == pytest.approx(2.0)


def test_gradnorm_ignores_the_losses_scale():
    small, large = GradNorm(), GradNorm()
    for _ in range(50):
        small.update(TaskGradientStats(torch.tensor([9.0, 0.0, 1.0]) * 1e-8, torch.tensor([1.0, 2.0]) * 1e-4))
        large.update(TaskGradientStats(torch.tensor([9.0, 0.0, 1.0]), torch.tensor([1.0, 2.0])))
    assert torch.allclose(small.weights(), large.weights(), atol=1e-5)
    assert small.first_losses_2.tolist() == pytest.approx([1e-4, 2e-4])


def test_gradnorm_converges_to_the_pareto_set():
    end = descend(GradNorm(alpha=0.0, rate=0.01), start=[5.0, 4.0], steps=1500, scale=4.0)
    assert abs(float(end[1])) < 1e-2
    assert 0 < float(end[0]) < 2  # anywhere there the norms can be made equal


@pytest.mark.parametrize("start", [[5.0, 4.0], [-3.0, 1.0], [1.2, -2.0]], ids=str)
def test_pcgrad_converges_to_the_pareto_set(start):
    end = descend(PCGrad(), start=start)
    assert abs(float(end[1])) < 1e-2
    assert -1e-3 <= float(end[0]) <= 2 + 1e-3


@given(VECTORS, VECTORS)
def test_pcgrad_removes_conflicting_components_only(first, second):
    g1, g2 = torch.from_numpy(first), torch.from_numpy(second)
    (joined,) = project_conflicts([g1], [g2])
    if float(g1 @ g2) >= 0:
        assert torch.equal(joined, g1 + g2)
        return
    clean1, clean2 = g1 - (g1 @ g2) / (g2 @ g2) * g2, g2 - (g1 @ g2) / (g1 @ g1) * g1
    assert torch.allclose(joined, clean1 + clean2, atol=1e-6)
    assert float(clean1 @ g2) == pytest.approx(0, abs=1e-6)
    assert float(joined @ g1) >= -1e-6
    assert float(joined @ g2) >= -1e-6


def test_pcgrad_treats_many_tensors_as_one_vector():
    first, second = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).unbind()
    (whole,) = project_conflicts([first], [second])
    parts = project_conflicts(list(first), list(second))
    assert torch.allclose(torch.stack(parts), whole)
    assert project_conflicts([], []) == []
    assert float(dot([first.bfloat16()], [second.bfloat16()])) == pytest.approx(float((first * second).sum()), rel=0.05)


@pytest.mark.parametrize("name", ["uncertainty", "fixed", "gradnorm", "mgda_ub", "pcgrad"])
def test_weighting_is_built_by_key_and_keeps_its_state(name):
    balance = build_task_weighting(load_cfg(None, ["LOSS.BALANCE", name, "LOSS.TASK_WEIGHTS", "(2, 1)"]))
    assert isinstance(balance, nn.Module)
    assert balance.weights().shape == (2,)
    reading = TaskGradientStats(torch.tensor([9.0, 1.0, 1.0]), torch.tensor([1.0, 2.0]))
    balance.update(reading)
    fresh = build_task_weighting(load_cfg(None, ["LOSS.BALANCE", name, "LOSS.TASK_WEIGHTS", "(2, 1)"]))
    fresh.load_state_dict(balance.state_dict())
    assert torch.equal(fresh.weights(), balance.weights())
    total = balance(torch.tensor(3.0), torch.tensor(4.0))
    if name != "uncertainty":
        assert float(total) == pytest.approx(float(balance.weights() @ torch.tensor([3.0, 4.0])))
