"""`fairmot train`: from data sets to a checkpoint."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from fairmot.commands.predictor import load_file
from fairmot.commands.run import Run, resolve_device, start_run
from fairmot.commands.train.preflight import LAST, TrainSetup, preflight, require_same_config
from fairmot.commands.train.state import build_train_state
from fairmot.commands.train.validation import METRICS, Validator
from fairmot.commands.visualize import heatmap_comparison
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.joint_dataset import JointDataset
from fairmot.engine.build import build_train_options
from fairmot.engine.hooks import (
    CheckpointHook,
    FairnessHook,
    Hook,
    ImagesHook,
    ProgressHook,
    ScalarsHook,
    StepResult,
    ValidationHook,
)
from fairmot.engine.state import Progress, TrainState
from fairmot.engine.trainer import Outcome, Trainer
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.text_io import append_row, filter_rows
from fairmot.models.build import build_model
from fairmot.optim.groups import describe_groups
from fairmot.utils.distributed import Distributed, distributed_from_env, is_connection_error, process_group
from fairmot.utils.errors import InputError

INTERRUPTED = 143  # 128 + SIGTERM, as a shell reports it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file")
    parser.add_argument("--resume", action="store_true", help="go on from OUTPUT/last.pt")
    parser.add_argument("--resume-from", type=Path, metavar="FILE", help="go on from this checkpoint of the run")
    parser.add_argument("--output", type=Path, help="folder for checkpoints, log and TensorBoard (default: OUTPUT)")
    parser.add_argument("--rebuild-index", action="store_true", help="read all labels again, whatever the cache holds")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool; exit code 143 when a signal ended it with a checkpoint to resume from."""
    overrides = list(arguments.overrides)
    if arguments.rebuild_index:
        overrides += ["DATA.REBUILD_INDEX", "True"]
    if arguments.output is not None:
        overrides += ["OUTPUT", str(arguments.output)]
    cfg, world = load_cfg(arguments.config, overrides), distributed_from_env()
    last = Path(cfg.OUTPUT) / LAST
    resume_from: Path | None = arguments.resume_from or (last if arguments.resume else None)
    if world.restarts and world.is_main_process and _was_written_by(world, last):
        resume_from = last
    outcome = train(cfg, resume_from=resume_from, world=world)
    return INTERRUPTED if outcome is Outcome.INTERRUPTED else 0


def train(cfg: CfgNode, *, resume_from: Path | None = None, world: Distributed | None = None) -> Outcome:
    """Train as `cfg` says, into the folder OUTPUT: `last.pt`, `best.pt`, `metrics.jsonl`, `tensorboard/`, `run.log`.

    resume_from: the checkpoint to go on from. world: the processes that train together, each of which calls this.

    Raises InputError before anything is written: wrong data, a checkpoint that does not fit, or one in the way; later
    where the disk is full or a loss is not finite, and the last good checkpoint stays.
    """
    world = world or Distributed()
    device = resolve_device(cfg.DEVICE, world)
    try:
        with process_group(world, device):
            return _train(cfg, resume_from, world)
    except OSError as error:
        raise InputError(f"{error.filename or cfg.OUTPUT}: {error.strerror or error}; {_state_of(cfg)}") from None
    except RuntimeError as error:
        if not is_connection_error(error):
            raise
        reason = " ".join(str(error).split())[:200]
        advice = f"if another one ended, its message tells why; {_state_of(cfg)} ({reason})"
        raise InputError(f"process {world.rank} cannot reach the others: {advice}") from None


def _was_written_by(world: Distributed, last: Path) -> bool:
    """Whether this very torchrun wrote the checkpoint, before it started its processes anew."""
    return last.exists() and read_checkpoint(last).get("launch") == world.launch


def _state_of(cfg: CfgNode) -> str:
    last = Path(cfg.OUTPUT) / LAST
    return (
        f"{last} is as it was last written: go on with --resume" if last.exists() else "no checkpoint was written yet"
    )


def _train(cfg: CfgNode, resume_from: Path | None, world: Distributed) -> Outcome:
    with world.main_process_first():
        plan = preflight(cfg, resume_from, world)
    loader = plan.loader
    require_same_config(cfg, plan.dataset, world)
    run = start_run(cfg, Path(cfg.OUTPUT), world)
    plan = plan._replace(saved=world.broadcast_object(plan.saved))
    state = _make_state(cfg, run, plan, steps_per_epoch=len(loader))
    plan = plan._replace(saved=None)  # its memory is as large as the state's
    _log_summary(run, plan, state, steps_per_epoch=len(loader))
    with ExitStack() as stack:
        stack.callback(loader.close)
        writer = _open_metrics(run, state.progress, stack) if world.is_main_process else None
        trainer = Trainer(
            state,
            build_train_options(cfg),
            device=run.device,
            world=world,
            hooks=_make_hooks(cfg, run, writer, num_images=len(plan.dataset), steps_per_epoch=len(loader)),
        )
        stack.enter_context(_stopping_on_signals(trainer))
        outcome = trainer.fit(loader)
    advice = "; go on with --resume" if outcome is Outcome.INTERRUPTED else ""
    run.log.info(f"{outcome.value} after {state.progress.step} steps -> {run.output / LAST}{advice}")
    return outcome


def _log_summary(run: Run, plan: TrainSetup, state: TrainState, *, steps_per_epoch: int) -> None:
    processes = f", {run.world.world_size} processes" if run.world.world_size > 1 else ""
    run.log.info(f"{_describe(plan.dataset)}, {steps_per_epoch} steps an epoch on {run.device}{processes}")
    run.log.info(describe_groups(state.optimizer))
    for warning in plan.warnings:
        run.log.warning(f"warning: {warning}")


def _open_metrics(run: Run, progress: Progress, stack: ExitStack) -> SummaryWriter:
    """Open TensorBoard. What was written there after the step that the run goes on from is hidden.

    A resumed run takes such rows out of `metrics.jsonl`, and those of validations that it will make again.
    """

    def is_past(row: dict[str, Any]) -> bool:
        is_validated = "fairness" in row or row.get("epoch", 0) <= progress.validated
        return bool(row.get("step", 0) <= progress.step and is_validated)

    if progress.step:
        filter_rows(run.output / METRICS, is_past)
    writer = SummaryWriter(str(run.output / "tensorboard"), purge_step=progress.step + 1)
    return stack.enter_context(writer)


def _describe(dataset: JointDataset) -> str:
    sources = dataset.samples.sources
    identities = " + ".join(map(str, dataset.identity_counts))
    parts = f" ({', '.join(f'{source.info.name} {len(source)}' for source in sources)})" if len(sources) > 1 else ""
    return f"{len(dataset)} images{parts}, {dataset.samples.num_boxes} boxes, {identities} identities"


def _make_state(cfg: CfgNode, run: Run, plan: TrainSetup, *, steps_per_epoch: int) -> TrainState:
    model = build_model(cfg)
    if plan.start is not None:
        run.log.info(load_file(model, plan.start))
    model.to(run.device)
    run.world.broadcast_module(model)  # what the first process loaded, before the average is made of it
    state = build_train_state(
        cfg,
        model,
        num_identities=plan.dataset.identity_counts,
        steps_per_epoch=steps_per_epoch,
        device=run.device,
        world=run.world,
    )
    if plan.saved is not None:
        _restore(state, plan.saved)
        run.log.info(f"resumed at epoch {state.progress.epoch + 1}, step {state.progress.step}")
    return state


def _restore(state: TrainState, saved: dict[str, Any]) -> None:
    try:
        state.load_state_dict(saved)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--resume: the checkpoint does not fit the data or the model: {reason}") from None


def _make_hooks(
    cfg: CfgNode, run: Run, writer: SummaryWriter | None, *, num_images: int, steps_per_epoch: int
) -> list[Hook]:
    """All processes validate, one writes: before validation, which may take long, and after it, if that said more."""
    extra = {"cfg": cfg_to_dict(cfg), "format": 1, "launch": run.world.launch, "images": num_images}

    def show(result: StepResult, step: int) -> None:
        for number, image in enumerate(heatmap_comparison(result)):
            if writer is not None:
                writer.add_image(f"heatmap/{number}", image, step, dataformats="HWC")

    hooks: list[Hook] = []
    if writer is not None:
        hooks += [
            ScalarsHook(writer, every=cfg.SOLVER.LOG_EVERY),
            FairnessHook(writer, partial(append_row, run.output / METRICS)),
            ImagesHook(show, every=cfg.SOLVER.SAMPLE_IMAGES_EVERY),
            ProgressHook(run.log.info, steps_per_epoch=steps_per_epoch),
        ]
    every, every_steps = cfg.SOLVER.SAVE_EVERY, cfg.SOLVER.SAVE_EVERY_STEPS
    last = run.output / LAST if run.world.is_main_process else None
    saves: list[Hook] = [CheckpointHook(last, extra=extra, every=every, every_steps=every_steps)]
    hooks += saves
    if cfg.DATA.VAL and cfg.SOLVER.VAL_EVERY:
        best = run.output / "best.pt" if run.world.is_main_process else None
        hooks.append(ValidationHook(Validator(cfg, run, writer), best, extra=extra, every=cfg.SOLVER.VAL_EVERY))
        hooks += saves
    return hooks


@contextmanager
def _stopping_on_signals(trainer: Trainer) -> Iterator[None]:
    """On SIGTERM and Ctrl-C end after the step under way, with a checkpoint; put the old handlers back afterwards."""
    names = (signal.SIGTERM, signal.SIGINT)
    before = {name: signal.signal(name, lambda *_: trainer.request_stop()) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
