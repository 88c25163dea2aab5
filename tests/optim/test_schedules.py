"""Learning rate schedules: shapes against torch's own, known values, and resume."""

import io
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from fairmot.config.load import load_cfg
from fairmot.optim.build import build_optimizer, build_schedule
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
def test_step_rate_equals_multi_step_lr_bit_exactly(full, epochs, gamma, steps_per_epoch):
    """Stepped once an epoch there and once a step here; repeated and unordered milestones too."""
    by_epoch = rates_of_torch(partial(MultiStepLR, milestones=epochs, gamma=gamma), full, 11)
    milestones = [epoch * steps_per_epoch for epoch in epochs]
    ours = [step_rate(full, step, milestones=milestones, gamma=gamma) for step in range(11 * steps_per_epoch)]
    assert ours == [rate for rate in by_epoch for _ in range(steps_per_epoch)]


def test_step_rate_is_not_a_factor_of_the_base_rate():
    """Why a schedule is a function of the rate: of no float is the product with 7e-4 what torch makes of two drops."""
    (rate,) = {step_rate(7e-4, step, milestones=(1, 2), gamma=0.1) for step in (2, 3)}
    assert rate == 7e-4 * 0.1 * 0.1
    below, above = (math.nextafter(rate / 7e-4, towards) for towards in (0.0, 1.0))
    assert 7e-4 * below < rate < 7e-4 * above
    assert 7e-4 * (rate / 7e-4) != rate


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("final", [0.0, 0.05, 1.0])
def test_cosine_rate_equals_cosine_annealing_lr(steps, final):
    theirs = rates_of_torch(partial(CosineAnnealingLR, T_max=steps, eta_min=0.3 * final), 0.3, steps + 1)
    ours = [cosine_rate(0.3, step, steps=steps, final=final) for step in range(steps + 1)]
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert ours[0] == 0.3
    assert ours[-1] == 0.3 * final


def test_cosine_rate_is_halfway_at_half_time_and_constant_at_end():
    rate = partial(cosine_rate, 2.0, steps=10, final=0.2)
    assert rate(5) == pytest.approx(1.2)
    assert {rate(10), rate(11), rate(10**9)} == {0.4}


@pytest.mark.parametrize(
    ("power", "expected"),
    [(1.0, [0.25, 0.5, 0.75, 1.0, 1.0]), (4.0, [1 / 256, 1 / 16, 81 / 256, 1.0, 1.0]), (0.5, [0.5, math.sqrt(0.5)])],
)
def test_warm_up_has_known_values(power, expected):
    assert [warmed_up(1.0, step, rate=flat, warmup=4, power=power) for step in range(len(expected))] == pytest.approx(
        expected
    )


def test_warm_up_of_0_steps_changes_nothing():
    rate = partial(step_rate, milestones=(3,), gamma=0.1)
    assert [warmed_up(0.3, step, rate=rate, warmup=0, power=4.0) for step in range(6)] == [
        rate(0.3, step) for step in range(6)
    ]


@settings(max_examples=150, deadline=None)
@given(full_rates, st.integers(0, 90), st.one_of(step_rates, cosine_rates), st.integers(0, 30), st.floats(0.1, 6))
def test_rates_stay_in_range_and_fall_after_warm_up(full, step, rate, warmup, power):
    here, after = (warmed_up(full, at, rate=rate, warmup=warmup, power=power) for at in (step, step + 1))
    assert 0 <= here <= full
    assert step + 1 < warmup or after <= here


STEPS_PER_EPOCH = 4


COSINE = ("SOLVER.SCHEDULE", "cosine", "SOLVER.FINAL_LR", "0.01")


STEP = ("SOLVER.MILESTONES", "(1, 2, 4)", "SOLVER.GAMMA", "0.3")


def make(*overrides):
    cfg = load_cfg(None, ["SOLVER.BASE_LR", "0.1", "SOLVER.BACKBONE_LR", "0.5", "SOLVER.EPOCHS", "5", *overrides])
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "heads": nn.Linear(2, 2)})
    optimizer = build_optimizer(cfg, model=model, criterion=nn.Linear(2, 2))
    return optimizer, build_schedule(cfg, optimizer, steps_per_epoch=STEPS_PER_EPOCH)


def run(optimizer, schedule, steps):
    """The rates of the groups in each of `steps` optimiser steps."""
    rates = []
    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return rates


def saved_after(steps, *overrides):
    """What a checkpoint brings back: loaded as checkpoints are, weights only."""
    optimizer, schedule = make(*overrides)
    run(optimizer, schedule, steps)
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def resumed(saved, *overrides):
    optimizer, schedule = make(*overrides)
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    return optimizer, schedule


@pytest.mark.parametrize("overrides", [COSINE, STEP, (*COSINE, "SOLVER.WARMUP", "6", "SOLVER.WARMUP_POWER", "4.0")])
@pytest.mark.parametrize("steps", [0, 1, 4, 7, 20, 23])
def test_schedule_resume_continues_with_equal_floats(overrides, steps):
    whole = run(*make(*overrides), 26)
    assert run(*resumed(saved_after(steps, *overrides), *overrides), 26 - steps) == whole[steps:]


@pytest.mark.parametrize("epochs", ["2", "3", "9"])
def test_schedule_resume_follows_a_new_cosine(epochs):
    other = (*COSINE, "SOLVER.EPOCHS", epochs)
    optimizer, schedule = resumed(saved_after(9, *COSINE), *other)
    expected = run(*make(*other), 30)[9:]
    assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups] == expected[0]
    assert expected[0] != run(*make(*COSINE), 10)[9]
    assert run(optimizer, schedule, 21) == expected


def test_schedule_state_is_the_step():
    assert saved_after(7, *COSINE)["schedule"] == {"step": 7}


def test_state_of_another_scheduler_is_refused():
    optimizer, schedule = make()
    with pytest.raises(ValueError, match="last_epoch, milestones; expected step alone"):
        schedule.load_state_dict(MultiStepLR(optimizer, [1]).state_dict())


def test_groups_keep_their_rate_ratios():
    for backbone, backbone_bias, *others in run(*make(*COSINE), 22):
        assert backbone == backbone_bias == pytest.approx(others[0] / 2)
        assert len(set(others)) == 1
        assert len(others) == 4


def test_rate_drops_after_milestones():
    rates = [groups[-1] for groups in run(*make("SOLVER.MILESTONES", "(2, 3)"), 5 * STEPS_PER_EPOCH)]
    assert rates == [*[0.1] * 8, *[0.1 * 0.1] * 4, *[0.1 * 0.1 * 0.1] * 8]


def test_cosine_schedule_ends_at_final_rate():
    rates = [groups[-1] for groups in run(*make(*COSINE), 30)]
    assert rates[0] == 0.1
    assert rates[19] > 0.001
    assert rates[20:] == pytest.approx([0.001] * 10)


@pytest.mark.parametrize("steps_per_epoch", [0, -1])
def test_schedule_of_0_steps_per_epoch_is_refused(steps_per_epoch):
    optimizer, _ = make()
    with pytest.raises(ValueError, match="steps_per_epoch"):
        build_schedule(load_cfg(), optimizer, steps_per_epoch=steps_per_epoch)
