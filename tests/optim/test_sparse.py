"""Composite optimizer: dense updates for rows with a gradient, none for others, one state for both."""

import io
from functools import partial

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW

from fairmot.config.load import load_cfg
from fairmot.optim import sparse
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.optim.groups import describe_groups
from fairmot.optim.sparse import CompositeOptimizer

KINDS = {"adam": partial(Adam, lr=0.02), "adamw": partial(AdamW, lr=0.02), "sgd": partial(SGD, lr=0.02, momentum=0.9)}
SHAPE = (11, 3)
ROWS = 9


def table_of(shape=SHAPE):
    rng = torch.Generator().manual_seed(1)
    return nn.Parameter(torch.randn(shape, generator=rng, dtype=torch.float64))


def optimizer_of(make, *tables, decay=0.0):
    dense = [{"name": "dense", "params": [nn.Parameter(torch.zeros(1))]}]
    return CompositeOptimizer(make, dense=dense, tables=[{"name": "rows", "params": tables, "weight_decay": decay}])


def gradient_of(table, rows, step):
    """Sparse gradient of some rows."""
    rng = torch.Generator().manual_seed(step)
    values = torch.randn(len(rows), *table.shape[1:], generator=rng, dtype=torch.float64)
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, table.shape, check_invariants=True)


@pytest.mark.parametrize("shape", [SHAPE, SHAPE[:1]])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_with_gradients_move_as_in_dense_optimizer(kind, decay, shape, monkeypatch):
    monkeypatch.setattr(sparse, "CHUNK", 2)
    ours, theirs = table_of(shape), table_of(shape)
    by_rows = optimizer_of(KINDS[kind], ours, decay=decay)
    dense = KINDS[kind]([{"params": [theirs], "weight_decay": decay}])
    always = [0, 1, 4, 7, 10]
    for step in range(8):
        ours.grad = gradient_of(ours, always, step)
        theirs.grad = ours.grad.to_dense()
        by_rows.step()
        dense.step()
    assert torch.equal(ours[always], theirs[always])
    others = [2, 3, 5, 6, 8, 9]
    assert torch.equal(ours[others], table_of(shape)[others])
    for value in by_rows.state[ours].values():
        assert not value.ndim or not bool(value[others].any())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_several_backward_passes_add_up(kind):
    results = []
    for split in (True, False):
        table = table_of()
        optimizer = optimizer_of(KINDS[kind], table)
        for step in range(3):
            first, second = gradient_of(table, [1, 4, 9], step), gradient_of(table, [0, 4, 10], step + 50)
            table.grad = first + second if split else (first.to_dense() + second.to_dense()).to_sparse(1)
            optimizer.step()
        results.append(table.detach())
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


def test_moments_of_rows_without_a_gradient_do_not_change():
    """Adam by hand: a gradient of 1 in the first and the third step, none in the second."""
    table = nn.Parameter(torch.zeros(2, 1, dtype=torch.float64))
    optimizer = optimizer_of(partial(Adam, lr=1.0, betas=(0.5, 0.75), eps=0.0), table)
    moves = []
    for rows in ([0, 1], [1], [0, 1]):
        before = table.detach().clone()
        ones = torch.ones(len(rows), 1, dtype=torch.float64)
        table.grad = torch.sparse_coo_tensor([rows], ones, table.shape, check_invariants=True)
        optimizer.step()
        moves.append((table - before)[0].item())
    mean, square = 0.5 * 0.5 + 0.5, 0.75 * 0.25 + 0.25
    expected = -(mean / (1 - 0.5**3)) / (square / (1 - 0.75**3)) ** 0.5
    assert moves == pytest.approx([-1.0, 0.0, expected])


@pytest.mark.parametrize("kind", KINDS)
def test_state_exists_for_tables_without_rows_as_other_ranks_have_it(kind):
    table, empty = table_of(), nn.Parameter(torch.zeros(0, 3, dtype=torch.float64))
    optimizer = optimizer_of(KINDS[kind], table, empty)
    empty.grad = torch.zeros(0, 3, dtype=torch.float64).to_sparse(1)
    optimizer.step()
    assert torch.equal(table, table_of())
    assert list(optimizer.state) == [empty]


class Table(nn.Module):
    """Criterion with a sharded table and a dense weight."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(2)))
        self.table.is_sharded = True
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, inputs, indices):
        rows = functional.embedding(indices, self.table, sparse=True)
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
        inputs, indices = torch.randn(3, 5, generator=rng), torch.randint(ROWS, (3,), generator=rng)
        optimizer.zero_grad()
        scaler.scale(criterion(model(inputs), indices)).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    return {**model.state_dict(), **criterion.state_dict()}


@pytest.mark.parametrize("kind", KINDS)
def test_dense_and_sparse_groups_follow_the_schedule(kind):
    parts = make(kind)
    start = {name: value.clone() for name, value in {**parts[0].state_dict(), **parts[1].state_dict()}.items()}
    optimizer = parts[2]
    assert isinstance(optimizer, CompositeOptimizer)
    after = run(parts, range(3))
    assert all(not torch.equal(after[name], value) for name, value in start.items())
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates.keys() == {"network", "network_no_decay", "criterion_no_decay", "criterion_rows"}
    assert set(rates.values()) == {0.01 * 0.1}
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = {name: value.clone() for name, value in after.items()}
    for name, value in run(parts, range(1)).items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_resume_continues_bit_exactly(kind):
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


def test_state_of_other_groups_is_refused():
    _, _, optimizer, _ = make()
    plain = build_optimizer(load_cfg(), model=nn.Linear(5, 4), criterion=nn.Module())
    with pytest.raises(ValueError, match="parameter groups"):
        optimizer.load_state_dict(plain.state_dict())


def test_gradient_scaler_unscales_all_groups_and_skips_nonfinite_steps():
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


def test_group_description_lists_sparse_rows_apart():
    _, _, optimizer, _ = make(**{"SOLVER.WEIGHT_DECAY": "0.5"})
    lines = [line.split() for line in describe_groups(optimizer).splitlines()]
    assert ["criterion_rows", "1", "36", "0.01", "0.5"] in lines
    assert lines[-1] == ["total", "4", "61"]
