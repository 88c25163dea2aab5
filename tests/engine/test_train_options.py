"""Averages, scaler, precision, parts and skipped steps: what they do, and that a resume goes on with them exactly."""

import math

import pytest
import torch
from helpers.tiny_training import BATCHES, StopAt, TinyCriterion, TinyLoader, TinyModel, same_values
from torch import nn
from torch.amp import GradScaler

from fairmot.config.load import load_cfg
from fairmot.engine.ema import average_of
from fairmot.engine.hooks import CheckpointHook, Hook, ProgressHook, ValidationHook
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Outcome, Trainer, TrainOptions
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.models.weights import tensors_of
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.utils.errors import InputError

CPU = torch.device("cpu")


def new_state(*, epochs=2, fp16=False, decay=0.9):
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
    return Trainer(state, TrainOptions(**{"epochs": 2, **options}), device=CPU, hooks=hooks)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("stop", [2, 4, 5], ids=lambda n: f"stopped after step {n}")
def test_a_resume_with_everything_on_is_exact(tmp_path, precision, stop):
    options = {"accumulation_steps": 2, "precision": precision, "clip_norm": 1.0, "max_nonfinite_steps": 1}
    whole = new_state(fp16=precision == "fp16")
    new_trainer(whole, **options).fit(TinyLoader(broken=(0, 0)))
    assert whole.progress.skipped == 1
    first = new_state(fp16=precision == "fp16")
    hooks = StopAt(stop), CheckpointHook(tmp_path / "last.pt", extra={})
    assert new_trainer(first, *hooks, **options).fit(TinyLoader(broken=(0, 0))) is Outcome.INTERRUPTED
    torch.manual_seed(99)
    second = new_state(fp16=precision == "fp16")
    second.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
    new_trainer(second, **options).fit(TinyLoader())
    assert same_values(second.state_dict(), whole.state_dict())
    if precision == "fp16":
        assert whole.scaler.get_scale() > 1024


def test_a_resume_with_more_epochs_follows_their_schedule():
    short = new_state(epochs=1)
    new_trainer(short, epochs=1).fit(TinyLoader())
    assert short.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    longer = new_state(epochs=3)
    longer.load_state_dict(short.state_dict())
    assert longer.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi / 3)) / 2)
    new_trainer(longer, epochs=3).fit(TinyLoader())
    assert longer.progress.epoch == 3


def test_the_average_is_the_one_of_the_formula_and_copies_whole_numbers():
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


def test_the_average_is_validated_and_is_what_a_checkpoint_gives_to_others(tmp_path):
    state, seen = new_state(), []

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


def test_steps_whose_loss_is_not_finite_are_left_out_up_to_a_number():
    lines = []
    state, loader = new_state(), TinyLoader(broken=(0, 1))
    new_trainer(state, ProgressHook(lines.append, steps_per_epoch=BATCHES), epochs=1, max_nonfinite_steps=1).fit(loader)
    skips = [line for line in lines if "skipped" in line]
    assert len(skips) == 1
    assert "step 2: loss not finite" in skips[0]
    assert "0-1-a.jpg, 0-1-b.jpg; skipped (1 of 1)" in skips[0]
    assert "nan" not in lines[-1]
    assert state.progress.step == BATCHES
    assert all(bool(torch.isfinite(value).all()) for value in state.model.state_dict().values())


def test_a_skipped_step_changes_no_weight_and_no_statistic():
    state = new_state()
    trainer = new_trainer(state, max_nonfinite_steps=1)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    batch = next(iter(TinyLoader().epoch(0)))
    batch.images_B3HW[0, 0, 0, 0] = math.inf
    state.model.train()
    trainer.train_step(batch)
    assert same_values(dict(state.model.state_dict()), before)
    with pytest.raises(InputError, match="loss not finite"):
        trainer.train_step(batch)


def test_a_gradient_that_is_not_finite_is_no_step_either():
    """sqrt at 0: a finite loss whose gradient is infinite."""

    class Steep(TinyCriterion):
        def forward(self, outputs, batch, counts=None):
            losses = super().forward(outputs, batch, counts)
            return losses._replace(detection=losses.detection + (outputs.heatmap * 0).abs().sum().sqrt())

    for precision in ("fp32", "bf16"):
        state = new_state()
        state.criterion = Steep()
        before = {name: value.clone() for name, value in state.model.state_dict().items()}
        batch = next(iter(TinyLoader().epoch(0)))
        state.model.train()
        new_trainer(state, precision=precision, max_nonfinite_steps=1, clip_norm=1.0).train_step(batch)
        assert same_values(dict(state.model.state_dict()), before)
        with pytest.raises(InputError, match=r"not finite \(gradient\) on the batch 0-0-a.jpg"):
            new_trainer(state, precision=precision).train_step(batch)


def test_a_validation_that_a_run_ended_in_is_made_up_for(tmp_path):
    def fails(trainer):
        raise InputError("an image cannot be read")

    options = {"extra": {}, "every": 2}
    saving = CheckpointHook(tmp_path / "last.pt", extra={})
    with pytest.raises(InputError, match="cannot be read"):
        new_trainer(new_state(), saving, ValidationHook(fails, tmp_path / "best.pt", **options), saving).fit(
            TinyLoader()
        )
    state = new_state()
    state.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
    assert state.progress.epoch == 2
    hooks = ValidationHook(lambda _: 0.7, tmp_path / "best.pt", **options), saving
    assert new_trainer(state, *hooks).fit(TinyLoader()) is Outcome.FINISHED
    for name in ("best.pt", "last.pt"):
        progress = read_checkpoint(tmp_path / name)["progress"]
        assert (progress["best"], progress["validated"]) == (0.7, 2)


def test_a_stop_in_the_last_epoch_s_end_is_a_finish():
    class StopAtTheEnd(Hook):
        def after_epoch(self, trainer):
            if trainer.state.progress.epoch == 2:
                trainer.request_stop()

    assert new_trainer(new_state(), StopAtTheEnd()).fit(TinyLoader()) is Outcome.FINISHED


def test_moments_are_laid_in_memory_as_the_weights_are():
    """A fused update of a contiguous weight by channels-last moments would mix them up."""
    laid = new_state()
    laid.model.conv.weight.data = laid.model.conv.weight.data.contiguous(memory_format=torch.channels_last)
    new_trainer(laid, epochs=1).fit(TinyLoader())
    plain = new_state()
    plain.load_state_dict(laid.state_dict())
    weight = plain.model.conv.weight
    assert plain.optimizer.state[weight]["exp_avg"].stride() == weight.stride()
    assert torch.equal(
        plain.optimizer.state[weight]["exp_avg"], laid.optimizer.state[laid.model.conv.weight]["exp_avg"]
    )


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_the_network_runs_in_the_precision_asked_for_and_the_losses_in_float32(precision, dtype):
    seen = []

    class Watching(TinyCriterion):
        def forward(self, outputs, batch, counts=None):
            seen.append(outputs.heatmap.dtype)
            return super().forward(outputs, batch, counts)

    state = new_state()
    state.criterion = Watching()
    state.model.conv.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    trainer = new_trainer(state, precision=precision)
    result = trainer.train_step(next(iter(TinyLoader().epoch(0))))
    assert seen == [dtype, torch.float32]
    assert result.outputs.heatmap.dtype == torch.float32
    assert state.model.conv.weight.dtype == torch.float32


def test_a_whole_network_trains_in_bf16_near_float32():
    """DLA with deformable layers; ten steps on one batch."""
    small = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8", "SOLVER.BASE_LR", "0.002"]
    from helpers.shared_steps import IDENTITIES, make_batch

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


def test_checkpoints_within_an_epoch_and_the_one_before(tmp_path):
    steps = []

    class Watch(Hook):
        def after_step(self, trainer, result):
            if (tmp_path / "last.pt").exists():
                steps.append(read_checkpoint(tmp_path / "last.pt")["progress"]["step"])

    hook = CheckpointHook(tmp_path / "last.pt", extra={}, every=5, every_steps=3)
    new_trainer(new_state(), hook, Watch()).fit(TinyLoader())
    assert sorted(set(steps)) == [3, 6]
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 8
    assert read_checkpoint(tmp_path / "previous.pt")["progress"]["step"] == 6


def test_a_run_that_breaks_between_steps_saves_where_it_stood(tmp_path):
    class Breaks(Hook):
        def after_step(self, trainer, result):
            if trainer.state.progress.step == 2:
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        new_trainer(new_state(), Breaks(), CheckpointHook(tmp_path / "last.pt", extra={})).fit(TinyLoader())
    assert read_checkpoint(tmp_path / "last.pt")["progress"]["step"] == 2


def test_every_hook_is_told_of_the_end_whatever_another_one_raises():
    told = []

    class Raises(Hook):
        def after_fit(self, trainer):
            told.append("first")
            raise InputError("disk full")

    class Last(Hook):
        def after_fit(self, trainer):
            told.append("second")

    with pytest.raises(InputError, match="disk full"):
        new_trainer(new_state(), Raises(), Last()).fit(TinyLoader())
    assert told == ["first", "second"]


@pytest.mark.slow
def test_a_compiled_network_makes_the_same_steps():
    losses = []
    for compiled in (False, True):
        state = new_state()
        state.model.train()
        trainer = new_trainer(state, compiled=compiled)
        batches = list(TinyLoader().epoch(0))
        losses.append([float(trainer.train_step(batch).terms.total) for batch in batches])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
