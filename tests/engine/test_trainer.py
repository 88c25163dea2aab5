"""Training loop: resume after a stop, step limit, non-finite losses, clipping."""

import math

import numpy as np
import pytest
import torch
from helpers.tiny_training import (
    BATCHES,
    StopAt,
    TinyCriterion,
    TinyLoader,
    full_state,
    new_state,
    new_trainer,
    same_values,
)
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from fairmot.codec.encode import encode
from fairmot.engine.hooks import CheckpointHook, ProgressHook
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Hook, Outcome
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss
from fairmot.losses.task_weighting import UncertaintyWeighting
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs
from fairmot.utils.errors import InputError


class Heads(nn.Module):
    """A map of stride 4 for each head."""

    def __init__(self, channels):
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Conv2d(3, count, 4, stride=4) for name, count in channels.items()})

    def features(self, images):
        return images

    def read(self, images):
        return HeadOutputs(**{name: head(images) for name, head in self.heads.items()})


@pytest.fixture(scope="module")
def whole_run():
    state = new_state()
    assert new_trainer(state).fit(TinyLoader()) is Outcome.FINISHED
    return state.state_dict()


@pytest.mark.parametrize("stop", [1, 3, 4, 6], ids=lambda n: f"stopped after step {n}")
def test_interrupted_and_resumed_run_is_bit_exact(tmp_path, whole_run, stop):
    path = tmp_path / "last.pt"
    first = new_trainer(new_state(), StopAt(stop), CheckpointHook(path, extra={"cfg": {"A": 1}}))
    assert first.fit(TinyLoader()) is Outcome.INTERRUPTED
    saved = read_checkpoint(path)
    assert saved["cfg"] == {"A": 1}
    torch.manual_seed(99)
    second = new_state()
    second.load_state_dict(saved)
    loader = TinyLoader()
    assert new_trainer(second).fit(loader) is Outcome.FINISHED
    assert loader.asked[0] == ((stop - 1) // BATCHES, (stop - 1) % BATCHES + 1)
    assert same_values(second.state_dict(), whole_run)


def test_one_epoch_and_resume_equal_two_epochs(whole_run):
    first = new_state()
    new_trainer(first, epochs=1).fit(TinyLoader())
    second = new_state()
    second.load_state_dict(first.state_dict())
    new_trainer(second).fit(TinyLoader())
    assert same_values(second.state_dict(), whole_run)


def test_step_limit_ends_with_a_checkpoint(tmp_path):
    trainer = new_trainer(new_state(), CheckpointHook(tmp_path / "last.pt", extra={}, every=5), max_steps=5)
    assert trainer.fit(TinyLoader()) is Outcome.STEP_LIMIT
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 5


def test_nonfinite_loss_stops_and_names_the_files(tmp_path):
    state = new_state()
    trainer = new_trainer(state, CheckpointHook(tmp_path / "last.pt", extra={}))
    with pytest.raises(InputError, match=r"step 7: loss not finite \(total, .*\) on the batch 1-2-a.jpg, 1-2-b.jpg"):
        trainer.fit(TinyLoader(broken=(1, 2)))
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values())


def test_clipping_bounds_the_gradient_norm():
    trainer = new_trainer(new_state(), clip_norm=1e-3)
    batch = next(iter(TinyLoader().epoch(0)))
    trainer.train_step(batch)
    norms = [value.grad.norm() for value in trainer.state.model.parameters()]
    assert float(torch.stack(norms).norm()) <= 1.001e-3


def test_device_targets_give_the_step_of_host_targets():
    boxes, classes = np.array([[4.0, 4, 20, 40], [30, 10, 50, 60], [-9, 50, 30, 80]]), np.array([0, 1, 1])
    targets = encode(boxes, np.zeros(3, np.int64), input_hw=(64, 64), num_classes=2, classes=classes)

    def step(heatmap):
        objects = (torch.from_numpy(value)[None] for value in (targets.sizes_ltrb, targets.offsets))
        numbers = (torch.from_numpy(value)[None] for value in (targets.identities, targets.classes, targets.radii))
        images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        places = torch.from_numpy(targets.indices)[None], torch.ones(1, 3, dtype=torch.bool)
        torch.manual_seed(1)
        heads = {"heatmap": 2, "size_ltrb": 4, "offset": 2, "embedding": 8}
        model = Heads(heads)
        criterion = JointLoss(IdentityLoss(8, (4, 3)), UncertaintyWeighting())
        parameters = [*model.parameters(), *criterion.parameters()]
        optimizer = Adam([{"name": "all", "params": parameters}], lr=0.05)
        trainer = new_trainer(TrainState(model, criterion, optimizer, MultiStepLR(optimizer, [1])))
        return trainer.train_step(Batch(images, heatmap, *places, *objects, *numbers, ("a.jpg",)))

    host, device = step(torch.from_numpy(targets.heatmap)[None]), step(torch.zeros(1, 2, 0, 0))
    assert device.batch.heatmap_BCHW.shape == (1, 2, 16, 16)
    for ours, theirs in zip(device.terms, host.terms, strict=True):
        assert float(ours) == pytest.approx(float(theirs), abs=1e-6)


def test_nonfinite_steps_are_skipped_up_to_the_limit():
    lines = []
    state, loader = full_state(), TinyLoader(broken=(0, 1))
    new_trainer(state, ProgressHook(lines.append, steps_per_epoch=BATCHES), epochs=1, max_nonfinite_steps=1).fit(loader)
    skips = [line for line in lines if "skipped" in line]
    assert len(skips) == 1
    assert "step 2: loss not finite" in skips[0]
    assert "0-1-a.jpg, 0-1-b.jpg; skipped (1 of 1)" in skips[0]
    assert "nan" not in lines[-1]
    assert state.progress.step == BATCHES
    assert all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values())


def test_skipped_step_changes_no_weight_or_statistic():
    state = full_state()
    trainer = new_trainer(state, max_nonfinite_steps=1)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    batch = next(iter(TinyLoader().epoch(0)))
    batch.images_B3HW[0, 0, 0, 0] = math.inf
    state.model.train()
    trainer.train_step(batch)
    assert same_values(dict(state.model.state_dict()), before)
    with pytest.raises(InputError, match="loss not finite"):
        trainer.train_step(batch)


def test_nonfinite_gradient_skips_the_step():
    """sqrt at 0: a finite loss whose gradient is infinite."""

    class Steep(TinyCriterion):
        def forward(self, outputs, batch, counts=None):
            losses = super().forward(outputs, batch, counts)
            return losses._replace(detection=losses.detection + (outputs.heatmap * 0).abs().sum().sqrt())

    for precision in ("fp32", "bf16"):
        state = full_state()
        state.criterion = Steep()
        before = {name: value.clone() for name, value in state.model.state_dict().items()}
        batch = next(iter(TinyLoader().epoch(0)))
        state.model.train()
        new_trainer(state, precision=precision, max_nonfinite_steps=1, clip_norm=1.0).train_step(batch)
        assert same_values(dict(state.model.state_dict()), before)
        with pytest.raises(InputError, match=r"not finite \(gradient\) on the batch 0-0-a.jpg"):
            new_trainer(state, precision=precision).train_step(batch)


def test_stop_request_after_the_last_epoch_is_finished():
    class StopAtTheEnd(Hook):
        def after_epoch(self, trainer):
            if trainer.state.progress.epoch == 2:
                trainer.request_stop()

    assert new_trainer(full_state(), StopAtTheEnd()).fit(TinyLoader()) is Outcome.FINISHED
