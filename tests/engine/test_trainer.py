"""The loop: exact resume, stops, the guard against losses that are not finite, hooks in order."""

import time

import numpy as np
import pytest
import torch
from helpers.tiny_training import BATCHES, StopAt, TinyLoader, new_state, new_trainer, same_values
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import MultiStepLR

from fairmot.codec.encode import encode
from fairmot.engine.hooks import CheckpointHook, Hook, ImagesHook, ProgressHook, ValidationHook
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Outcome
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
def test_an_interrupted_run_ends_bit_for_bit_like_a_whole_one(tmp_path, whole_run, stop):
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


def test_one_epoch_and_a_resume_equal_two_epochs(whole_run):
    first = new_state()
    new_trainer(first, epochs=1).fit(TinyLoader())
    second = new_state()
    second.load_state_dict(first.state_dict())
    new_trainer(second).fit(TinyLoader())
    assert same_values(second.state_dict(), whole_run)


def test_the_step_limit_ends_the_run_with_a_checkpoint(tmp_path):
    trainer = new_trainer(new_state(), CheckpointHook(tmp_path / "last.pt", extra={}, every=5), max_steps=5)
    assert trainer.fit(TinyLoader()) is Outcome.STEP_LIMIT
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 5


def test_a_loss_that_is_not_finite_stops_the_run_names_the_files_and_keeps_the_checkpoint(tmp_path):
    state = new_state()
    trainer = new_trainer(state, CheckpointHook(tmp_path / "last.pt", extra={}))
    with pytest.raises(InputError, match=r"step 7: loss not finite \(total, .*\) on the batch 1-2-a.jpg, 1-2-b.jpg"):
        trainer.fit(TinyLoader(broken=(1, 2)))
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values())


def test_clipping_bounds_the_gradient():
    trainer = new_trainer(new_state(), clip_norm=1e-3)
    batch = next(iter(TinyLoader().epoch(0)))
    trainer.train_step(batch)
    norms = [value.grad.norm() for value in trainer.state.model.parameters()]
    assert float(torch.stack(norms).norm()) <= 1.001e-3


def test_targets_from_the_device_give_the_same_step_as_the_host_s():
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


def test_hooks_are_called_in_order_and_after_fit_whatever_happens():
    calls = []

    class Recorder(Hook):
        def before_fit(self, trainer):
            calls.append("before")

        def after_epoch(self, trainer):
            calls.append(f"epoch {trainer.state.progress.epoch}")
            raise RuntimeError("disk full")

        def after_fit(self, trainer):
            calls.append(f"after, sound {trainer.state_is_consistent}")

    with pytest.raises(RuntimeError, match="disk full"):
        new_trainer(new_state(), Recorder()).fit(TinyLoader())
    assert calls == ["before", "epoch 1", "after, sound True"]


def test_validation_keeps_the_best_and_leaves_training_mode_on(tmp_path):
    scores = iter([0.3, 0.2, 0.4])
    modes = []

    def evaluate(trainer):
        trainer.state.model.eval()
        modes.append(trainer.state.progress.epoch)
        return next(scores)

    best = tmp_path / "best.pt"
    state = new_state()
    new_trainer(state, ValidationHook(evaluate, best, extra={}, every=2), epochs=5).fit(TinyLoader())
    assert modes == [2, 4, 5]
    assert state.model.training
    assert read_checkpoint(best)["progress"]["epoch"] == 5
    assert state.progress.best == 0.4


def test_images_are_shown_once_an_epoch_that_counts():
    shown = []
    hook = ImagesHook(lambda result, step: shown.append((step, result.batch.image_paths[0])), every=2)
    new_trainer(new_state(), hook, epochs=3).fit(TinyLoader())
    assert shown == [(1, "0-0-a.jpg"), (9, "2-0-a.jpg")]


def test_progress_says_a_line_an_epoch():
    lines = []
    new_trainer(new_state(), ProgressHook(lines.append, steps_per_epoch=BATCHES)).fit(TinyLoader())
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: total ")
    assert "images/s" in lines[0]


def test_the_bar_shows_losses_where_there_is_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    class Slow(Hook):
        def after_step(self, trainer, result):
            time.sleep(0.06)  # a bar is drawn ten times a second at most

    new_trainer(new_state(), Slow(), ProgressHook(print, steps_per_epoch=BATCHES)).fit(TinyLoader())
    assert "images/s" in capsys.readouterr().err
