"""Minimal model, criterion and loader for tests of the training loop."""

import math

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from fairmot.config.load import load_cfg
from fairmot.engine.ema import average_of
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Hook, Trainer, TrainOptions
from fairmot.losses.task_weighting import TaskWeighting
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs, TaskLosses

BATCHES = 4


class TinyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.norm = nn.BatchNorm2d(1)

    def features(self, images):
        return self.norm(self.conv(images))

    def read(self, heat):
        return HeadOutputs(heat, heat, heat, heat)


class TinyBalance(TaskWeighting):
    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.zeros(1))

    def forward(self, detection, identity):
        return ((-self.s).exp() * detection + self.s).sum()

    def weights(self):
        return torch.cat([(-self.s).exp(), torch.zeros(1)]).detach()


class TinyCriterion(nn.Module):
    def __init__(self):
        super().__init__()
        self.balance = TinyBalance()

    def forward(self, outputs, batch, counts=None):
        error = (outputs.heatmap - batch.heatmap_BCHW).square().mean()
        return TaskLosses(error, error, error, error, error)


class TinyLoader:
    """Batches that depend on epoch and number alone; `broken` names one whose target is not finite."""

    def __init__(self, broken=None):
        self.broken = broken
        self.asked = []

    def epoch(self, epoch, *, start_batch=0):
        self.asked.append((epoch, start_batch))
        for number in range(start_batch, BATCHES):
            rng = torch.Generator().manual_seed(epoch * 100 + number)
            target = torch.randn(2, 1, 8, 8, generator=rng)
            if self.broken == (epoch, number):
                target[0, 0, 0, 0] = math.nan
            empty = torch.zeros(2, 1, dtype=torch.int64)
            yield Batch(
                torch.randn(2, 3, 8, 8, generator=rng), target, empty, empty.bool(), torch.zeros(2, 1, 4),
                torch.zeros(2, 1, 2), empty, empty, empty, (f"{epoch}-{number}-a.jpg", f"{epoch}-{number}-b.jpg"),
            )  # fmt: skip


def new_state():
    torch.manual_seed(3)
    model, criterion = TinyModel(), TinyCriterion()
    optimizer = Adam([{"name": "all", "params": [*model.parameters(), *criterion.parameters()]}], lr=0.05)
    return TrainState(model, criterion, optimizer, MultiStepLR(optimizer, [1]))


def full_state(*, epochs=2, fp16=False, decay=0.9):
    """Everything that a resume must put back: cosine with warm-up, an average, a scaler that grows every other step."""
    torch.manual_seed(3)
    model, criterion = TinyModel(), TinyCriterion()
    solver = ["SOLVER.SCHEDULE", "cosine", "SOLVER.WARMUP", "3", "SOLVER.EPOCHS", str(epochs), "SOLVER.BASE_LR", "0.05"]
    cfg = load_cfg(None, solver)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    schedule = build_schedule(cfg, optimizer, steps_per_epoch=BATCHES)
    scaler = GradScaler("cpu", enabled=fp16, init_scale=1024, growth_interval=2)
    return TrainState(model, criterion, optimizer, schedule, scaler=scaler, average=average_of(model, decay=decay))


def new_trainer(state, *hooks, **options):
    options = {"epochs": 2, "clip_norm": 1.0, **options}
    return Trainer(state, TrainOptions(**options), device=torch.device("cpu"), hooks=hooks)


def same_values(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_values(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same_values, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


class StopAt(Hook):
    def __init__(self, step):
        self.step = step

    def after_step(self, trainer, result):
        if trainer.state.progress.step == self.step:
            trainer.request_stop()
