"""Hooks: order of calls, checkpoints, validation, images and progress."""

import time

import pytest
from helpers.tiny_training import (
    BATCHES,
    TinyLoader,
    full_state,
    new_state,
    new_trainer,
)

from fairmot.engine.hooks import CheckpointHook, ImagesHook, ProgressHook, ValidationHook
from fairmot.engine.trainer import Hook, Outcome
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.utils.errors import InputError


def test_hooks_are_called_in_order():
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


def test_after_fit_is_called_for_all_hooks_despite_errors():
    told = []

    class Raises(Hook):
        def after_fit(self, trainer):
            told.append("first")
            raise InputError("disk full")

    class Last(Hook):
        def after_fit(self, trainer):
            told.append("second")

    with pytest.raises(InputError, match="disk full"):
        new_trainer(full_state(), Raises(), Last()).fit(TinyLoader())
    assert told == ["first", "second"]


def test_checkpoint_hook_saves_within_epochs_and_keeps_previous(tmp_path):
    steps = []

    class Watch(Hook):
        def after_step(self, trainer, result):
            if (tmp_path / "last.pt").exists():
                steps.append(read_checkpoint(tmp_path / "last.pt")["progress"]["step"])

    hook = CheckpointHook(tmp_path / "last.pt", extra={}, every=5, every_steps=3)
    new_trainer(full_state(), hook, Watch()).fit(TinyLoader())
    assert sorted(set(steps)) == [3, 6]
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 8
    assert read_checkpoint(tmp_path / "previous.pt")["progress"]["step"] == 6


def test_exception_between_steps_saves_a_checkpoint(tmp_path):
    class Breaks(Hook):
        def after_step(self, trainer, result):
            if trainer.state.progress.step == 2:
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        new_trainer(full_state(), Breaks(), CheckpointHook(tmp_path / "last.pt", extra={})).fit(TinyLoader())
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 2


def test_validation_hook_keeps_best_and_training_mode(tmp_path):
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


def test_interrupted_validation_is_repeated_on_resume(tmp_path):
    def fails(trainer):
        raise InputError("an image cannot be read")

    options = {"extra": {}, "every": 2}
    saving = CheckpointHook(tmp_path / "last.pt", extra={})
    with pytest.raises(InputError, match="cannot be read"):
        new_trainer(full_state(), saving, ValidationHook(fails, tmp_path / "best.pt", **options), saving).fit(
            TinyLoader()
        )
    state = full_state()
    state.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
    assert state.progress.epoch == 2
    hooks = ValidationHook(lambda _: 0.7, tmp_path / "best.pt", **options), saving
    assert new_trainer(state, *hooks).fit(TinyLoader()) is Outcome.FINISHED
    for name in ("best.pt", "last.pt"):
        progress = read_checkpoint(tmp_path / name)["progress"]
        assert (progress["best"], progress["validated"]) == (0.7, 2)


def test_images_hook_shows_first_batch_of_chosen_epochs():
    shown = []
    hook = ImagesHook(lambda result, step: shown.append((step, result.batch.image_paths[0])), every=2)
    new_trainer(new_state(), hook, epochs=3).fit(TinyLoader())
    assert shown == [(1, "0-0-a.jpg"), (9, "2-0-a.jpg")]


def test_progress_hook_logs_a_line_per_epoch():
    lines = []
    new_trainer(new_state(), ProgressHook(lines.append, steps_per_epoch=BATCHES)).fit(TinyLoader())
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: total ")
    assert "images/s" in lines[0]


def test_progress_bar_is_shown_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    class Slow(Hook):
        def after_step(self, trainer, result):
            time.sleep(0.06)  # a bar is drawn ten times a second at most

    new_trainer(new_state(), Slow(), ProgressHook(print, steps_per_epoch=BATCHES)).fit(TinyLoader())
    assert "images/s" in capsys.readouterr().err
