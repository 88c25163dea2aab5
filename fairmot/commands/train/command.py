"""`fairmot train`: training from datasets to a checkpoint."""

import argparse
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from fairmot.commands.predictor import load_file
from fairmot.commands.run import Run, resolve_device, start_run
from fairmot.commands.train.preflight import LAST, TrainSetup, preflight, require_same_config
from fairmot.commands.train.state import build_train_state
from fairmot.commands.train.validation import METRICS, build_validation
from fairmot.commands.visualize import heatmap_comparison
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_train_options
from fairmot.engine.hooks import CheckpointHook, ImagesHook, ProgressHook, ScalarsHook, ValidationHook
from fairmot.engine.state import Progress, TrainState
from fairmot.engine.task_gradients import choose_trainer
from fairmot.engine.trainer import Hook, Outcome, StepResult
from fairmot.formats.checkpoint import FORMAT, read_checkpoint
from fairmot.formats.text_io import append_row, filter_rows
from fairmot.models.build import build_model
from fairmot.optim.groups import describe_groups
from fairmot.utils.distributed import Distributed, distributed_from_env, is_connection_error, process_group
from fairmot.utils.errors import InputError

INTERRUPTED = 143  # 128 + SIGTERM, as a shell reports it

EXAMPLES = """\
fairmot train --config configs/quickstart.yaml DATA.ROOT runs/world
fairmot train --config configs/mot17_half_dla34.yaml --output runs/mot17 SOLVER.BATCH_SIZE 8
fairmot train --config configs/mot17_half_dla34.yaml --output runs/mot17 --resume
torchrun --nproc-per-node 4 -m fairmot train --config configs/mot17_half_dla34.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `fairmot train`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML configuration")
    parser.add_argument("--resume", action="store_true", help="continue from OUTPUT/last.pt, bit-exactly")
    parser.add_argument("--resume-from", type=Path, metavar="FILE", help="continue from this checkpoint of the run")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of checkpoints and log (default: OUTPUT)")
    parser.add_argument("--rebuild-index", action="store_true", help="read all labels again, not the cached index")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run `fairmot train`; return 143 where a signal ended it with a checkpoint to resume from."""
    overrides = list(arguments.overrides)
    if arguments.rebuild_index:
        overrides += ["DATA.REBUILD_INDEX", "True"]
    if arguments.output is not None:
        overrides += ["OUTPUT", str(arguments.output)]
    cfg, world = load_cfg(arguments.config, overrides), distributed_from_env()
    last = Path(cfg.OUTPUT) / LAST
    resume_from: Path | None = arguments.resume_from or (last if arguments.resume else None)
    is_restart = bool(world.restarts) and world.is_main_process and last.exists()
    if is_restart and read_checkpoint(last).get("launch") == world.launch:  # written by this very torchrun
        resume_from = last
    outcome = train(cfg, resume_from=resume_from, world=world)
    return INTERRUPTED if outcome is Outcome.INTERRUPTED else 0


def train(cfg: CfgNode, *, resume_from: Path | None = None, world: Distributed | None = None) -> Outcome:
    """Train into the folder OUTPUT: `last.pt`, `best.pt`, `metrics.jsonl`, `tensorboard/`, `run.log`.

    resume_from: checkpoint to continue from. world: the processes that train together; each of them calls this.

    Raises InputError before anything is written for wrong data, a checkpoint that does not fit, or one that would be
    overwritten; later for a full disk or a non-finite loss, and then the last checkpoint stays.
    """
    world = world or Distributed()
    with _explained_errors(Path(cfg.OUTPUT), world), process_group(world, resolve_device(cfg.DEVICE, world)):
        with world.main_process_first():
            setup = preflight(cfg, resume_from, world)
        require_same_config(cfg, setup.dataset, world)
        run = start_run(cfg, Path(cfg.OUTPUT), world)
        state = _build_state(cfg, run, setup, saved=world.broadcast_object(setup.saved))
        setup = setup._replace(saved=None)  # frees as much memory as the state takes
        _log_summary(run, setup, state)
        with ExitStack() as stack:
            stack.callback(setup.loader.close)
            writer = _open_metrics(run, state.progress, stack) if world.is_main_process else None
            hooks = _build_hooks(cfg, run, writer, setup)
            trainer = choose_trainer(state, build_train_options(cfg), device=run.device, world=world, hooks=hooks)
            stack.enter_context(_stop_on_signals(trainer.request_stop))
            outcome = trainer.fit(setup.loader)
        advice = "; continue with --resume" if outcome is Outcome.INTERRUPTED else ""
        run.log.info(f"{outcome.value} after {state.progress.step} steps -> {run.output / LAST}{advice}")
        return outcome


@contextmanager
def _explained_errors(output: Path, world: Distributed) -> Iterator[None]:
    """Convert errors of the disk and of the connection between ranks to InputError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        last = output / LAST
        state = f"{last} is as last written: continue with --resume" if last.exists() else "no checkpoint was written"
        if isinstance(error, OSError):
            raise InputError(f"{error.filename or output}: {error.strerror or error}; {state}") from None
        if not is_connection_error(error):
            raise
        reason = " ".join(str(error).split())[:200]
        advice = f"if another one ended, its message gives the reason; {state} ({reason})"
        raise InputError(f"rank {world.rank} cannot reach the others: {advice}") from None


def _build_state(cfg: CfgNode, run: Run, setup: TrainSetup, *, saved: dict[str, Any] | None) -> TrainState:
    """Return the state at its start, from MODEL.WEIGHTS, or from a `saved` checkpoint."""
    model = build_model(cfg)
    if setup.start is not None:
        run.log.info(load_file(model, setup.start))
    model.to(run.device)
    run.world.broadcast_module(model)  # weights that the main process loaded, before the average copies them
    counts, steps = setup.dataset.identity_counts, len(setup.loader)
    state = build_train_state(
        cfg, model, num_identities=counts, steps_per_epoch=steps, device=run.device, world=run.world
    )
    if saved is not None:
        try:
            state.load_state_dict(saved)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"--resume: the checkpoint does not fit the data or the model: {reason}") from None
        run.log.info(f"resumed at epoch {state.progress.epoch + 1}, step {state.progress.step}")
    return state


def _log_summary(run: Run, setup: TrainSetup, state: TrainState) -> None:
    """Log data, parameter groups and warnings."""
    samples, world = setup.dataset.samples, run.world
    sizes = ", ".join(f"{source.info.name} {len(source)}" for source in samples.sources)
    images = f"{len(setup.dataset)} images{f' ({sizes})' if len(samples.sources) > 1 else ''}"
    identities = " + ".join(map(str, setup.dataset.identity_counts))
    devices = f"{run.device}{f', {world.world_size} processes' if world.world_size > 1 else ''}"
    counts = f"{samples.num_boxes} boxes, {identities} identities, {len(setup.loader)} steps an epoch"
    run.log.info(f"{images}, {counts} on {devices}")
    run.log.info(describe_groups(state.optimizer))
    for warning in setup.warnings:
        run.log.warning(f"warning: {warning}")


def _open_metrics(run: Run, progress: Progress, stack: ExitStack) -> SummaryWriter:
    """Open TensorBoard, without the events after the step that the run continues from.

    A resumed run removes such rows from `metrics.jsonl` too, and those of validations that it will repeat.
    """

    def is_kept(row: dict[str, Any]) -> bool:
        is_validated = "fairness" in row or row.get("epoch", 0) <= progress.validated
        return bool(row.get("step", 0) <= progress.step and is_validated)

    if progress.step:
        filter_rows(run.output / METRICS, is_kept)
    writer = SummaryWriter(str(run.output / "tensorboard"), purge_step=progress.step + 1)
    return stack.enter_context(writer)


def _build_hooks(cfg: CfgNode, run: Run, writer: SummaryWriter | None, setup: TrainSetup) -> list[Hook]:
    """Return the hooks: all ranks validate, one writes; the checkpoint before validation, and again after it."""
    solver, world = cfg.SOLVER, run.world
    extra = {"cfg": cfg_to_dict(cfg), "format": FORMAT, "launch": world.launch, "images": len(setup.dataset)}

    def show(result: StepResult, step: int) -> None:
        for number, image in enumerate(heatmap_comparison(result)):
            if writer is not None:
                writer.add_image(f"heatmap/{number}", image, step, dataformats="HWC")

    hooks: list[Hook] = []
    if writer is not None:
        hooks += [
            ScalarsHook(writer, partial(append_row, run.output / METRICS), every=solver.LOG_EVERY),
            ImagesHook(show, every=solver.SAMPLE_IMAGES_EVERY),
            ProgressHook(run.log.info, steps_per_epoch=len(setup.loader)),
        ]
    last, best = (run.output / name if world.is_main_process else None for name in (LAST, "best.pt"))
    saving = CheckpointHook(last, extra=extra, every=solver.SAVE_EVERY, every_steps=solver.SAVE_EVERY_STEPS)
    hooks.append(saving)
    if cfg.DATA.VAL and solver.VAL_EVERY:
        validate = build_validation(cfg, run, writer)
        hooks += [ValidationHook(validate, best, extra=extra, every=solver.VAL_EVERY), saving]
    return hooks


@contextmanager
def _stop_on_signals(request_stop: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGTERM and Ctrl-C call `request_stop`."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: request_stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
