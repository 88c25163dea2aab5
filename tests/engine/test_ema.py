"""Moving average of the weights: its formula, and its use in validation and checkpoints."""

import pytest
import torch
from helpers.tiny_training import (
    TinyLoader,
    full_state,
    new_trainer,
)
from torch import nn

from fairmot.engine.ema import average_of
from fairmot.engine.hooks import CheckpointHook, ValidationHook
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.models.weights import tensors_of


def test_average_follows_its_formula_and_copies_integers():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    averaged, expected = average_of(model, decay=0.6), None
    for update in range(1, 6):
        with torch.no_grad():
            model[0].weight.fill_(float(update**2))
            model[1].num_batches_tracked.fill_(update)
        averaged.update_parameters(model)
        keep = min(0.6, update / (9 + update))  # n = update - 1 were made before
        expected = float(update**2) if expected is None else keep * expected + (1 - keep) * update**2
        assert float(averaged.module[0].weight.detach()) == pytest.approx(expected)
        assert int(averaged.module[1].num_batches_tracked) == update
    assert not averaged.module.training
    assert not any(value.requires_grad for value in averaged.parameters())


def test_average_is_validated_and_loaded_from_checkpoints(tmp_path):
    state, seen = full_state(), []

    def evaluate(trainer):
        seen.append(trainer.state.scored_model)
        return 0.5

    hooks = (
        ValidationHook(evaluate, tmp_path / "best.pt", extra={}, every=2),
        CheckpointHook(tmp_path / "last.pt", extra={}),
    )
    new_trainer(state, *hooks).fit(TinyLoader())
    assert seen == [state.average.module]
    tensors = tensors_of(read_checkpoint(tmp_path / "best.pt"))
    assert torch.equal(tensors["conv.weight"], state.average.module.conv.weight)
    assert not torch.equal(tensors["conv.weight"], state.model.conv.weight)
