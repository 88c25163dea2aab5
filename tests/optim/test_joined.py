"""Two optimisers that schedule, scaler, audit table and checkpoint take for one."""

import io

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.nn import functional

from fairmot.config.load import load_cfg
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.optim.groups import describe_groups
from fairmot.optim.sparse import JoinedOptimizer

ROWS = 9


class Table(nn.Module):
    """A criterion with a split table and a weight that all processes would have."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(2)))
        self.table.is_sharded = True
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, inputs, places):
        rows = functional.embedding(places, self.table, sparse=True)
        return (self.scale * (inputs * rows).sum(1)).exp().mean()


def make(kind="adam", **keys):
    torch.manual_seed(0)
    model, criterion = nn.Linear(5, 4), Table()
    overrides = {"SOLVER.OPTIMIZER": kind, "SOLVER.BASE_LR": "0.01", "SOLVER.MILESTONES": "(1, 2)", **keys}
    cfg = load_cfg(None, [text for pair in overrides.items() for text in pair])
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    return model, criterion, optimizer, build_schedule(cfg, optimizer, steps_per_epoch=2)


def run(parts, steps, scaler=None):
    model, criterion, optimizer, schedule = parts
    scaler = scaler or GradScaler("cpu", enabled=False)
    for step in steps:
        rng = torch.Generator().manual_seed(step)
        inputs, places = torch.randn(3, 5, generator=rng), torch.randint(ROWS, (3,), generator=rng)
        optimizer.zero_grad()
        scaler.scale(criterion(model(inputs), places)).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    return {**model.state_dict(), **criterion.state_dict()}


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_both_parts_step_and_follow_the_schedule(kind):
    parts = make(kind)
    start = {name: value.clone() for name, value in {**parts[0].state_dict(), **parts[1].state_dict()}.items()}
    optimizer = parts[2]
    assert isinstance(optimizer, JoinedOptimizer)
    after = run(parts, range(3))
    assert all(not torch.equal(after[name], value) for name, value in start.items())
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates.keys() == {"network", "network_no_decay", "criterion_no_decay", "criterion_rows"}
    assert set(rates.values()) == {0.01 * 0.1}
    for part in optimizer.parts:
        assert {group["lr"] for group in part.param_groups} == {0.01 * 0.1}


def test_a_rate_of_0_stops_both():
    parts = make()
    for group in parts[2].param_groups:
        group["lr"] = 0.0
    before = {name: value.clone() for name, value in parts[1].state_dict().items()}
    model, criterion, optimizer, _ = parts
    criterion(model(torch.ones(1, 5)), torch.tensor([2])).backward()
    optimizer.step()
    assert all(torch.equal(criterion.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_a_resume_goes_on_bit_for_bit(kind):
    whole = run(make(kind), range(6))
    first = make(kind)
    weights = run(first, range(3))
    file = io.BytesIO()
    torch.save({"weights": weights, "optimizer": first[2].state_dict(), "schedule": first[3].state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    second = make(kind)
    second[0].load_state_dict({name: saved["weights"][name] for name in ("weight", "bias")})
    second[1].load_state_dict({name: saved["weights"][name] for name in ("table", "scale")})
    second[2].load_state_dict(saved["optimizer"])
    second[3].load_state_dict(saved["schedule"])
    after = run(second, range(3, 6))
    assert all(torch.equal(after[name], value) for name, value in whole.items())
    assert not torch.equal(after["table"], weights["table"])


def test_the_state_of_other_groups_is_refused():
    _, _, optimizer, _ = make()
    plain = build_optimizer(load_cfg(), model=nn.Linear(5, 4), criterion=nn.Module())
    with pytest.raises(ValueError, match="parameter groups"):
        optimizer.load_state_dict(plain.state_dict())


def test_a_scaler_unscales_both_and_leaves_out_a_step_that_is_not_finite():
    scaled, plain = make(), make()
    after = run(scaled, range(2), GradScaler("cpu", init_scale=8.0))
    for name, value in run(plain, range(2)).items():
        torch.testing.assert_close(after[name], value)
    model, criterion, optimizer, _ = scaled
    scaler = GradScaler("cpu", init_scale=8.0)
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    scaler.scale(criterion(model(torch.full((1, 5), torch.inf)), torch.tensor([2]))).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(criterion.state_dict()[name], value) for name, value in before.items())
    assert scaler.get_scale() == 4.0


def test_the_audit_table_shows_the_rows_in_a_group_of_their_own():
    _, _, optimizer, _ = make(**{"SOLVER.WEIGHT_DECAY": "0.5"})
    lines = [line.split() for line in describe_groups(optimizer).splitlines()]
    assert ["criterion_rows", "1", "36", "0.01", "0.5"] in lines
    assert lines[-1] == ["total", "4", "61"]
