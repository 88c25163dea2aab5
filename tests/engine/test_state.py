"""Training state: exact resume with average, scaler, schedule and accumulation."""

import math

import pytest
import torch
from helpers.tiny_training import (
    StopAt,
    TinyLoader,
    full_state,
    new_trainer,
    same_values,
)

from fairmot.engine.hooks import CheckpointHook
from fairmot.engine.trainer import Outcome
from fairmot.formats.checkpoint import read_checkpoint


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stop", [2, 4, 5], ids=lambda n: f"stopped after step {n}")
def test_resume_with_all_options_is_exact(tmp_path, precision, stop):
    options = {"accumulation_steps": 2, "precision": precision, "clip_norm": 1.0, "max_nonfinite_steps": 1}
    whole = full_state(fp16=precision == "fp16")
    new_trainer(whole, **options).fit(TinyLoader(broken=(0, 0)))
    assert whole.progress.skipped == 1
    first = full_state(fp16=precision == "fp16")
    hooks = StopAt(stop), CheckpointHook(tmp_path / "last.pt", extra={})
    assert new_trainer(first, *hooks, **options).fit(TinyLoader(broken=(0, 0))) is Outcome.INTERRUPTED
    torch.manual_seed(99)
    second = full_state(fp16=precision == "fp16")
    second.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
    new_trainer(second, **options).fit(TinyLoader())
    assert same_values(second.state_dict(), whole.state_dict())
    if precision == "fp16":
        assert whole.scaler.get_scale() > 1024


def test_resume_with_more_epochs_follows_their_schedule():
    short = full_state(epochs=1)
    new_trainer(short, epochs=1).fit(TinyLoader())
    assert short.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    longer = full_state(epochs=3)
    longer.load_state_dict(short.state_dict())
    assert longer.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi / 3)) / 2)
    new_trainer(longer, epochs=3).fit(TinyLoader())
    assert longer.progress.epoch == 3


def test_loaded_moments_have_the_memory_format_of_weights():
    """A fused update of a contiguous weight by channels-last moments would mix them up."""
    laid = full_state()
    laid.model.conv.weight.data = laid.model.conv.weight.data.contiguous(memory_format=torch.channels_last)
    new_trainer(laid, epochs=1).fit(TinyLoader())
    plain = full_state()
    plain.load_state_dict(laid.state_dict())
    weight = plain.model.conv.weight
    assert plain.optimizer.state[weight]["exp_avg"].stride() == weight.stride()
    assert torch.equal(
        plain.optimizer.state[weight]["exp_avg"], laid.optimizer.state[laid.model.conv.weight]["exp_avg"]
    )
