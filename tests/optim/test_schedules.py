"""The schedules' shapes, against torch's own and by known values."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from fairmot.optim.schedules import cosine_rate, step_rate, warmed_up

shares = st.floats(0, 1)
full_rates = st.floats(1e-8, 10)
step_rates = st.builds(
    lambda milestones, gamma: partial(step_rate, milestones=milestones, gamma=gamma),
    st.lists(st.integers(1, 60), max_size=5),
    st.floats(0.01, 1),
)
cosine_rates = st.builds(
    lambda steps, final: partial(cosine_rate, steps=steps, final=final), st.integers(1, 60), shares
)


def flat(full, step):
    return full


def rates_of_torch(make_schedule, full, count):
    """The rates of `count` calls of one of torch's schedulers, the one before the first call at the front."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=full)
    schedule, rates = make_schedule(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@settings(max_examples=40, deadline=None)
@given(full_rates, st.lists(st.integers(1, 9), max_size=6), st.floats(0.01, 1), st.integers(1, 4))
def test_steps_are_the_floats_of_multi_step_lr(full, epochs, gamma, steps_per_epoch):
    """Stepped once an epoch there and once a step here; repeated and unordered milestones too."""
    by_epoch = rates_of_torch(partial(MultiStepLR, milestones=epochs, gamma=gamma), full, 11)
    milestones = [epoch * steps_per_epoch for epoch in epochs]
    ours = [step_rate(full, step, milestones=milestones, gamma=gamma) for step in range(11 * steps_per_epoch)]
    assert ours == [rate for rate in by_epoch for _ in range(steps_per_epoch)]


def test_a_factor_of_the_full_rate_would_not_do():
    """Why a schedule is a function of the rate: of no float is the product with 7e-4 what torch makes of two drops."""
    (rate,) = {step_rate(7e-4, step, milestones=(1, 2), gamma=0.1) for step in (2, 3)}
    assert rate == 7e-4 * 0.1 * 0.1
    below, above = (math.nextafter(rate / 7e-4, towards) for towards in (0.0, 1.0))
    assert 7e-4 * below < rate < 7e-4 * above
    assert 7e-4 * (rate / 7e-4) != rate


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final", [0.0, 0.05, 1.0])
def test_cosine_is_cosine_annealing_lr(steps, final):
    theirs = rates_of_torch(partial(CosineAnnealingLR, T_max=steps, eta_min=0.3 * final), 0.3, steps + 1)
    ours = [cosine_rate(0.3, step, steps=steps, final=final) for step in range(steps + 1)]
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert ours[0] == 0.3
    assert ours[-1] == 0.3 * final


def test_cosine_is_half_way_at_half_time_and_stays_at_its_end():
    rate = partial(cosine_rate, 2.0, steps=10, final=0.2)
    assert rate(5) == pytest.approx(1.2)
    assert {rate(10), rate(11), rate(10**9)} == {0.4}


@pytest.mark.parametrize(
    ("power", "expected"),
    [(1.0, [0.25, 0.5, 0.75, 1.0, 1.0]), (4.0, [1 / 256, 1 / 16, 81 / 256, 1.0, 1.0]), (0.5, [0.5, math.sqrt(0.5)])],
)
def test_warm_up_values(power, expected):
    assert [warmed_up(1.0, step, rate=flat, warmup=4, power=power) for step in range(len(expected))] == pytest.approx(
        expected
    )


def test_warm_up_of_no_step_changes_nothing():
    rate = partial(step_rate, milestones=(3,), gamma=0.1)
    assert [warmed_up(0.3, step, rate=rate, warmup=0, power=4.0) for step in range(6)] == [
        rate(0.3, step) for step in range(6)
    ]


@settings(max_examples=150, deadline=None)
@given(full_rates, st.integers(0, 90), st.one_of(step_rates, cosine_rates), st.integers(0, 30), st.floats(0.1, 6))
def test_rates_are_never_negative_nor_above_the_full_rate_and_fall_after_the_warm_up(full, step, rate, warmup, power):
    here, after = (warmed_up(full, at, rate=rate, warmup=warmup, power=power) for at in (step, step + 1))
    assert 0 <= here <= full
    assert step + 1 < warmup or after <= here
