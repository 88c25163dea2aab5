"""Optimisers by rows: the dense ones' steps for the rows that have a gradient, and none for the others."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from fairmot.optim import sparse as rows
from fairmot.optim.sparse import RowAdam, RowSGD

KINDS = {
    "adam": (partial(RowAdam, lr=0.02), partial(Adam, lr=0.02)),
    "adamw": (partial(RowAdam, lr=0.02, decoupled=True), partial(AdamW, lr=0.02)),
    "sgd": (partial(RowSGD, lr=0.02, momentum=0.9), partial(SGD, lr=0.02, momentum=0.9)),
}
SHAPE = (11, 3)


def table_of(shape=SHAPE):
    rng = torch.Generator().manual_seed(1)
    return nn.Parameter(torch.randn(shape, generator=rng, dtype=torch.float64))


def group_of(table, decay):
    return [{"name": "rows", "params": [table], "weight_decay": decay}]


def gradient_of(table, places, step):
    """A sparse gradient of some rows."""
    rng = torch.Generator().manual_seed(step)
    values = torch.randn(len(places), *table.shape[1:], generator=rng, dtype=torch.float64)
    return torch.sparse_coo_tensor(torch.tensor([places]), values, table.shape, check_invariants=True)


@pytest.mark.parametrize("shape", [SHAPE, SHAPE[:1]])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_always_have_a_gradient_move_as_in_torch_s_optimiser(kind, decay, shape, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 2)
    ours, theirs = table_of(shape), table_of(shape)
    by_rows, dense = (make(group_of(table, decay)) for make, table in zip(KINDS[kind], (ours, theirs), strict=True))
    always = [0, 1, 4, 7, 10]
    for step in range(8):
        ours.grad = gradient_of(ours, always, step)
        theirs.grad = ours.grad.to_dense()
        by_rows.step()
        dense.step()
    torch.testing.assert_close(ours[always], theirs[always], rtol=1e-12, atol=1e-14)
    others = [2, 3, 5, 6, 8, 9]
    assert torch.equal(ours[others], table_of(shape)[others])
    for value in by_rows.state[ours].values():
        assert not isinstance(value, torch.Tensor) or not bool(value[others].any())


@pytest.mark.parametrize("kind", KINDS)
def test_several_passes_gradients_add_up(kind):
    results = []
    for split in (True, False):
        table = table_of()
        optimizer = KINDS[kind][0](group_of(table, 0.0))
        for step in range(3):
            first, second = gradient_of(table, [1, 4, 9], step), gradient_of(table, [0, 4, 10], step + 50)
            table.grad = first + second if split else (first.to_dense() + second.to_dense()).to_sparse(1)
            optimizer.step()
        results.append(table.detach())
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


def test_moments_of_a_row_rest_while_it_has_no_gradient():
    """Adam by hand: a gradient of 1 in the first and the third step, none in the second."""
    table = nn.Parameter(torch.zeros(2, 1, dtype=torch.float64))
    optimizer = RowAdam([{"params": [table]}], lr=1.0, betas=(0.5, 0.75), eps=0.0)
    moves = []
    for places in ([0, 1], [1], [0, 1]):
        before = table.detach().clone()
        ones = torch.ones(len(places), 1, dtype=torch.float64)
        table.grad = torch.sparse_coo_tensor([places], ones, table.shape, check_invariants=True)
        optimizer.step()
        moves.append((table - before)[0].item())
    mean, square = 0.5 * 0.5 + 0.5, 0.75 * 0.25 + 0.25
    expected = -(mean / (1 - 0.5**3)) / (square / (1 - 0.75**3)) ** 0.5
    assert moves == pytest.approx([-1.0, 0.0, expected])


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_without_a_gradient_or_without_rows_stays(kind):
    table, empty = table_of(), nn.Parameter(torch.zeros(0, 3, dtype=torch.float64))
    optimizer = KINDS[kind][0]([{"params": [table, empty]}])
    empty.grad = torch.zeros(0, 3, dtype=torch.float64).to_sparse(1)
    optimizer.step()
    assert torch.equal(table, table_of())
    assert list(optimizer.state) == [empty]
