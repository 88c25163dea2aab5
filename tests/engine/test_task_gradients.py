"""Task weightings that need gradients, and the fairness meter, in the trainer."""

import json
import math
from functools import partial

import pytest
import torch
from helpers.distributed_steps import IDENTITIES, SMALL, Opposed, copy_heatmap_head, make_batch
from helpers.tiny_training import BATCHES, StopAt, TinyCriterion, TinyLoader, TinyModel, same_values
from torch.amp import GradScaler

from fairmot.config.load import load_cfg
from fairmot.engine.hooks import CheckpointHook, ScalarsHook
from fairmot.engine.model_with_loss import ModelWithLoss
from fairmot.engine.state import TrainState
from fairmot.engine.task_gradients import choose_trainer
from fairmot.engine.trainer import Outcome, TrainOptions
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.text_io import append_row
from fairmot.losses.build import build_criterion
from fairmot.losses.task_weighting import MGDAUB, GradNorm, PCGrad, dot, project_conflicts
from fairmot.models.build import build_model
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.structures.outputs import TaskLosses

CPU = torch.device("cpu")


def new_trainer(balance="uncertainty", *, rate="0.001", **options):
    """A small DLA-34 in float32 over the batch of `distributed_steps`."""
    names = ["LOSS.BALANCE", balance, "SOLVER.OPTIMIZER", "sgd", "SOLVER.MOMENTUM", "0.0", "SOLVER.BASE_LR", rate]
    cfg = load_cfg(None, [*SMALL, *names])
    torch.manual_seed(5)
    model = build_model(cfg)
    criterion = build_criterion(cfg, num_identities=IDENTITIES)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    state = TrainState(model, criterion, optimizer, build_schedule(cfg, optimizer, steps_per_epoch=4))
    return choose_trainer(state, TrainOptions(epochs=1, fairness_interval=1, **options), device=CPU)


def opposed_trainer(**options):
    """PCGrad over two tasks whose gradients conflict on all that they share."""
    trainer = new_trainer("pcgrad")
    state = trainer.state
    copy_heatmap_head(state.model)
    state.criterion = Opposed(state.criterion.balance)
    return choose_trainer(state, TrainOptions(epochs=1, **options), device=CPU)


@pytest.fixture(scope="module")
def batch():
    whole = make_batch()
    return type(whole)(*(v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in whole))


def task_gradients(trainer, batch):
    """Each task's loss, its gradient on the shared map, and those on the parameters of the trunk."""
    state = trainer.state
    state.model.train()
    passed = ModelWithLoss(state.model, state.criterion)(batch, batch.count_objects())
    parts = state.model.backbone, state.model.neck
    trunk = [value for part in parts for value in part.parameters() if value.requires_grad]
    tasks = passed.losses.detection, passed.losses.identity
    on_map = [torch.autograd.grad(loss, passed.shared, retain_graph=True)[0].flatten() for loss in tasks]
    on_trunk = [torch.autograd.grad(loss, trunk, retain_graph=True) for loss in tasks]
    return [loss.detach() for loss in tasks], on_map, on_trunk, trunk


def test_fairness_has_cosine_norms_and_weights(batch):
    trainer = new_trainer()
    _, (first, second), _, _ = task_gradients(trainer, batch)
    fairness = trainer.train_step(batch).fairness
    assert fairness.cosine == pytest.approx(float(torch.cosine_similarity(first, second, dim=0)), abs=1e-5)
    assert fairness.norm_detection == pytest.approx(float(first.norm()), rel=1e-4)
    assert fairness.norm_identity == pytest.approx(float(second.norm()), rel=1e-4)
    assert fairness.weight_detection == pytest.approx(3.18, abs=0.01)  # 0.5 e^1.85
    assert fairness.weight_identity == pytest.approx(1.43, abs=0.01)  # 0.5 e^1.05


def test_fairness_measurement_does_not_change_training(batch):
    metered, plain = new_trainer(), new_trainer()
    plain.options = TrainOptions(epochs=1)
    for _ in range(2):
        assert metered.train_step(batch).fairness is not None
        assert plain.train_step(batch).fairness is None
    assert same_values(metered.state.state_dict()["model"], plain.state.state_dict()["model"])


def test_mgda_steps_along_the_least_norm_combination(batch):
    trainer = new_trainer("mgda_ub")
    losses, (first, second), (of_first, of_second), trunk = task_gradients(trainer, batch)
    before = [value.detach().clone() for value in trunk]
    result = trainer.train_step(batch)
    w1, w2 = trainer.state.criterion.balance.weights().tolist()
    assert w1 + w2 == pytest.approx(1.0)
    share = float((second - first) @ second / (first - second).square().sum())
    assert w1 == pytest.approx(min(max(share, 0.0), 1.0), abs=1e-4)
    assert float(result.terms.total) == pytest.approx(float(w1 * losses[0] + w2 * losses[1]), rel=1e-5)
    for old, now, a, b in zip(before, trunk, of_first, of_second, strict=True):
        torch.testing.assert_close(old - now.detach(), 0.001 * (w1 * a + w2 * b), atol=2e-7, rtol=1e-3)


def test_pcgrad_projects_gradients_of_shared_parameters_only(batch):
    trainer = opposed_trainer()
    _, _, (of_first, of_second), trunk = task_gradients(trainer, batch)
    assert float(dot(of_first, of_second)) < 0
    expected = project_conflicts(list(of_first), list(of_second))
    before = [value.detach().clone() for value in trunk]
    head = trainer.state.model.heads["embedding"][2].weight
    loss = ModelWithLoss(trainer.state.model, trainer.state.criterion)(batch, batch.count_objects()).losses.identity
    (of_head,) = torch.autograd.grad(loss, head)
    kept = head.detach().clone()
    trainer.train_step(batch)
    for old, now, gradient in zip(before, trunk, expected, strict=True):
        torch.testing.assert_close(old - now.detach(), 0.001 * gradient, atol=2e-7, rtol=1e-3)
    plain = [first + second for first, second in zip(of_first, of_second, strict=True)]
    assert float(dot(expected, plain)) < 0.95 * float(dot(expected, expected))  # the sum alone goes elsewhere
    torch.testing.assert_close(kept - head.detach(), 0.001 * of_head, atol=2e-7, rtol=1e-3)


@pytest.mark.slow
def test_pcgrad_of_compiled_network_is_equal(batch):
    states = []
    for compiled in (False, True):
        trainer = opposed_trainer(compiled=compiled)
        trainer.state.model.train()
        trainer.train_step(batch)
        states.append(trainer.state.model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-5, rtol=1e-3)


def test_gradnorm_updates_its_weights_after_the_step(batch):
    trainer = new_trainer("gradnorm")
    first = trainer.train_step(batch).fairness
    assert (first.weight_detection, first.weight_identity) == (1.0, 1.0)
    moved = trainer.state.criterion.balance.weights().tolist()
    assert moved != [1.0, 1.0]
    assert sum(moved) == pytest.approx(2.0)
    second = trainer.train_step(batch).fairness
    assert [second.weight_detection, second.weight_identity] == pytest.approx(moved)


class TwoTasks(TinyCriterion):
    """Two losses of one map that want different things of it."""

    def __init__(self, balance):
        super().__init__()
        self.balance = balance

    def forward(self, outputs, batch, counts=None):
        first = (outputs.heatmap - batch.heatmap_BCHW).square().mean()
        second = (outputs.heatmap + 1).square().mean()
        return TaskLosses(first, second, first, first, first)


def tiny_state(balance, *, fp16=False):
    torch.manual_seed(3)
    model, criterion = TinyModel(), TwoTasks(balance)
    cfg = load_cfg(None, ["SOLVER.BASE_LR", "0.05"])
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    scaler = GradScaler("cpu", enabled=fp16, init_scale=1024.0)
    return TrainState(
        model, criterion, optimizer, build_schedule(cfg, optimizer, steps_per_epoch=BATCHES), scaler=scaler
    )


@pytest.mark.parametrize("kind", [GradNorm, MGDAUB, PCGrad])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_resume_with_task_gradients_is_exact(tmp_path, kind, precision):
    options = TrainOptions(epochs=2, precision=precision, clip_norm=1.0, max_nonfinite_steps=1)
    whole = tiny_state(kind(), fp16=precision == "fp16")
    choose_trainer(whole, options, device=CPU).fit(TinyLoader(broken=(0, 0)))
    assert whole.progress.skipped == 1
    first = tiny_state(kind(), fp16=precision == "fp16")
    hooks = StopAt(5), CheckpointHook(tmp_path / "last.pt", extra={})
    assert choose_trainer(first, options, device=CPU, hooks=hooks).fit(TinyLoader(broken=(0, 0))) is Outcome.INTERRUPTED
    second = tiny_state(kind(), fp16=precision == "fp16")
    second.load_state_dict(read_checkpoint(tmp_path / "last.pt"))
    choose_trainer(second, options, device=CPU).fit(TinyLoader())
    assert same_values(second.state_dict(), whole.state_dict())


@pytest.mark.parametrize("kind", [GradNorm, MGDAUB, PCGrad])
def test_gradient_scaler_does_not_change_fairness(kind):
    readings = []
    for fp16 in (False, True):
        trainer = choose_trainer(tiny_state(kind(), fp16=fp16), TrainOptions(epochs=1, fairness_interval=1), device=CPU)
        readings.append(trainer.train_step(next(iter(TinyLoader().epoch(0)))).fairness)
    assert readings[1] == pytest.approx(readings[0], rel=1e-5)


@pytest.mark.slow
def test_compiled_network_gives_equal_task_gradients():
    readings = []
    for compiled in (False, True):
        options = TrainOptions(epochs=1, fairness_interval=2, compiled=compiled)
        trainer = choose_trainer(tiny_state(MGDAUB()), options, device=CPU)
        results = [trainer.train_step(batch) for batch in TinyLoader().epoch(0)]
        readings.append([float(result.terms.total) for result in results])
    assert readings[1] == pytest.approx(readings[0], rel=1e-4)


def test_scalars_hook_writes_fairness_row_and_scalars(tmp_path):
    class Writer:
        def __init__(self):
            self.seen = []

        def add_scalar(self, name, value, step):
            self.seen.append((name, value, step))

    writer, path = Writer(), tmp_path / "metrics.jsonl"
    hook = ScalarsHook(writer, partial(append_row, path))
    choose_trainer(tiny_state(MGDAUB()), TrainOptions(epochs=1, fairness_interval=2), device=CPU, hooks=[hook]).fit(
        TinyLoader()
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert rows[0]["fairness"].keys() == {
        "cosine", "norm_detection", "norm_identity", "weight_detection", "weight_identity",
    }  # fmt: skip
    assert ("fairness/cosine", rows[1]["fairness"]["cosine"], 4) in writer.seen
    assert -1 <= rows[0]["fairness"]["cosine"] <= 1


def test_scalars_hook_skips_nonfinite_fairness(tmp_path):
    class Writer:
        def add_scalar(self, name, value, step):
            assert not name.startswith("fairness")

    hook = ScalarsHook(Writer(), partial(append_row, tmp_path / "metrics.jsonl"))
    trainer = choose_trainer(tiny_state(MGDAUB()), TrainOptions(epochs=1, fairness_interval=1), device=CPU)
    result = trainer.train_step(next(iter(TinyLoader().epoch(0))))
    hook.after_step(trainer, result._replace(fairness=result.fairness._replace(cosine=math.nan)))
    assert not (tmp_path / "metrics.jsonl").exists()
