"""Forward pass with loss: precision and compilation."""

import pytest
import torch
from helpers.distributed_steps import IDENTITIES, make_batch
from helpers.tiny_training import (
    TinyCriterion,
    TinyLoader,
    full_state,
    new_trainer,
)

from fairmot.config.load import load_cfg
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Trainer, TrainOptions
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.optim.build import build_optimizer, build_schedule

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_network_runs_in_chosen_precision_and_losses_in_float32(precision, dtype):
    seen = []

    class Watching(TinyCriterion):
        def forward(self, outputs, batch, counts=None):
            seen.append(outputs.heatmap.dtype)
            return super().forward(outputs, batch, counts)

    state = full_state()
    state.criterion = Watching()
    state.model.conv.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    trainer = new_trainer(state, precision=precision)
    result = trainer.train_step(next(iter(TinyLoader().epoch(0))))
    assert seen == [dtype, torch.float32]
    assert result.outputs.heatmap.dtype == torch.float32
    assert state.model.conv.weight.dtype == torch.float32


def test_bf16_training_is_close_to_float32():
    """DLA with deformable layers; ten steps on one batch."""
    small = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8", "SOLVER.BASE_LR", "0.002"]
    batch = make_batch()
    batch = type(batch)(*(v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in batch))
    cfg, losses = load_cfg(None, small), {}
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model, criterion = build_model(cfg).train(), build_criterion(cfg, num_identities=IDENTITIES)
        optimizer = build_optimizer(cfg, model=model, criterion=criterion)
        state = TrainState(model, criterion, optimizer, build_schedule(cfg, optimizer, steps_per_epoch=10))
        trainer = Trainer(state, TrainOptions(epochs=1, precision=precision), device=CPU)
        losses[precision] = [float(trainer.train_step(batch).terms.total) for _ in range(10)]
    assert losses["bf16"][-1] < 0.8 * losses["bf16"][0]
    assert losses["bf16"][0] == pytest.approx(losses["fp32"][0], rel=0.03)
    assert losses["bf16"][-1] == pytest.approx(losses["fp32"][-1], rel=0.3)  # tiny batch norms amplify the rounding


@pytest.mark.slow
def test_compiled_network_makes_the_same_steps():
    losses = []
    for compiled in (False, True):
        state = full_state()
        state.model.train()
        trainer = new_trainer(state, compiled=compiled)
        batches = list(TinyLoader().epoch(0))
        losses.append([float(trainer.train_step(batch).terms.total) for batch in batches])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
