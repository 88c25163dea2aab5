"""A schedule goes on where it was saved, and follows the schedule at hand."""

import io

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR

from fairmot.config.load import load_cfg
from fairmot.optim.build import build_optimizer, build_schedule

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
def test_a_resume_goes_on_with_the_same_floats(overrides, steps):
    whole = run(*make(*overrides), 26)
    assert run(*resumed(saved_after(steps, *overrides), *overrides), 26 - steps) == whole[steps:]


@pytest.mark.parametrize("epochs", ["2", "3", "9"])
def test_a_resume_with_other_epochs_follows_the_new_cosine_at_once(epochs):
    other = (*COSINE, "SOLVER.EPOCHS", epochs)
    optimizer, schedule = resumed(saved_after(9, *COSINE), *other)
    expected = run(*make(*other), 30)[9:]
    assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups] == expected[0]
    assert expected[0] != run(*make(*COSINE), 10)[9]
    assert run(optimizer, schedule, 21) == expected


def test_the_state_is_the_step_alone():
    assert saved_after(7, *COSINE)["schedule"] == {"step": 7}


def test_another_schedulers_state_is_refused():
    optimizer, schedule = make()
    with pytest.raises(ValueError, match="last_epoch, milestones; expected step alone"):
        schedule.load_state_dict(MultiStepLR(optimizer, [1]).state_dict())


def test_every_group_keeps_its_share_of_the_rate():
    for backbone, backbone_bias, *others in run(*make(*COSINE), 22):
        assert backbone == backbone_bias == pytest.approx(others[0] / 2)
        assert len(set(others)) == 1
        assert len(others) == 4


def test_the_rate_drops_after_the_named_epochs():
    rates = [groups[-1] for groups in run(*make("SOLVER.MILESTONES", "(2, 3)"), 5 * STEPS_PER_EPOCH)]
    assert rates == [*[0.1] * 8, *[0.1 * 0.1] * 4, *[0.1 * 0.1 * 0.1] * 8]


def test_cosine_ends_at_its_final_rate_and_stays():
    rates = [groups[-1] for groups in run(*make(*COSINE), 30)]
    assert rates[0] == 0.1
    assert rates[19] > 0.001
    assert rates[20:] == pytest.approx([0.001] * 10)


@pytest.mark.parametrize("steps_per_epoch", [0, -1])
def test_an_epoch_has_a_step(steps_per_epoch):
    optimizer, _ = make()
    with pytest.raises(ValueError, match="steps_per_epoch"):
        build_schedule(load_cfg(), optimizer, steps_per_epoch=steps_per_epoch)
