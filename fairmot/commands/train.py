"""`fairmot train`: from data sets to a checkpoint."""

import argparse
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from fairmot.commands.load_file import load_file
from fairmot.commands.run import Run, reading_bar, start_run
from fairmot.commands.show import heatmaps_beside_truth
from fairmot.commands.validation import Validator
from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.build import build_indexes, build_train_dataset, build_train_loader
from fairmot.data.findings import ERROR, MEANING
from fairmot.data.index_checks import check_index, check_leak
from fairmot.data.joint_dataset import JointDataset
from fairmot.engine.hooks import CheckpointHook, Hook, ImagesHook, ProgressHook, ScalarsHook, StepResult, ValidationHook
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Outcome, Trainer
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.fetch import LocalFile, locate
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.models.layout import lay_for_cpu_training
from fairmot.models.weights import match_weights
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.utils.errors import InputError

INTERRUPTED = 143  # 128 + SIGTERM, as a shell reports it
CHANGEABLE_ON_RESUME = {
    "OUTPUT", "DEVICE", "DATA.ROOT", "DATA.WORKERS", "DATA.VAL", "DATA.CACHE", "DATA.VERIFY", "DATA.BAD_IMAGES",
    "DATA.TARGETS", "DATA.CHECK", "MODEL.WEIGHTS", "MODEL.WEIGHTS_SHA256",
    "SOLVER.EPOCHS", "SOLVER.MAX_STEPS", "SOLVER.LOG_EVERY", "SOLVER.IMAGES_EVERY", "SOLVER.VAL_EVERY",
    "SOLVER.SAVE_EVERY",
}  # fmt: skip
FREE_SECTIONS = ("PREDICT.", "TRACKER.", "EVAL.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file")
    parser.add_argument("--resume", action="store_true", help="go on from OUTPUT/last.pt")
    parser.add_argument("--output", type=Path, help="folder for checkpoints, log and TensorBoard (default: OUTPUT)")
    parser.add_argument("--verify", action="store_true", help="read all labels again, whatever the cache holds")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool; exit code 143 when a signal ended it with a checkpoint to resume from."""
    overrides = list(arguments.overrides)
    if arguments.verify:
        overrides += ["DATA.VERIFY", "True"]
    if arguments.output is not None:
        overrides += ["OUTPUT", str(arguments.output)]
    outcome = train(load_cfg(arguments.config, overrides), resume=arguments.resume)
    return INTERRUPTED if outcome is Outcome.INTERRUPTED else 0


def train(cfg: CfgNode, *, resume: bool = False) -> Outcome:
    """Train as `cfg` says, into the folder OUTPUT: `last.pt`, `best.pt`, `metrics.jsonl`, `tensorboard/`, `run.log`.

    Raises InputError before anything is written: wrong data, a checkpoint that does not fit, or one in the way.
    """
    last = Path(cfg.OUTPUT) / "last.pt"
    saved = _find_saved(cfg, last, resume=resume)
    start = None if resume or not cfg.MODEL.WEIGHTS else locate(cfg.MODEL.WEIGHTS, sha256=cfg.MODEL.WEIGHTS_SHA256)
    _check_network(cfg, start)
    dataset = build_train_dataset(cfg, bar=reading_bar)
    warnings = _check_data(cfg, dataset) if cfg.DATA.CHECK else ()
    loader = build_train_loader(
        cfg, dataset, pin_memory=torch.cuda.is_available(), report=logging.getLogger("fairmot").warning
    )
    run = start_run(cfg, Path(cfg.OUTPUT))
    state = _make_state(cfg, run, num_identities=dataset.identity_counts, saved=saved, start=start)
    run.log.info(f"{_describe(dataset)}, {len(loader)} steps an epoch on {run.device}")
    for warning in warnings:
        run.log.warning(f"warning: {warning}")
    with ExitStack() as stack:
        stack.callback(loader.close)
        writer = stack.enter_context(
            SummaryWriter(str(run.output / "tensorboard"), purge_step=state.progress.step or None)
        )
        trainer = Trainer(
            state,
            device=run.device,
            epochs=cfg.SOLVER.EPOCHS,
            max_steps=cfg.SOLVER.MAX_STEPS,
            clip_norm=cfg.SOLVER.CLIP_NORM,
            hooks=_make_hooks(cfg, run, writer, steps_per_epoch=len(loader)),
        )
        stack.enter_context(_stopping_on_signals(trainer))
        outcome = trainer.fit(loader)
    advice = "; go on with --resume" if outcome is Outcome.INTERRUPTED else ""
    run.log.info(f"{outcome.value} after {state.progress.step} steps -> {last}{advice}")
    return outcome


def _describe(dataset: JointDataset) -> str:
    sources = dataset.samples.sources
    identities = " + ".join(map(str, dataset.identity_counts))
    parts = f" ({', '.join(f'{source.info.name} {len(source)}' for source in sources)})" if len(sources) > 1 else ""
    return f"{len(dataset)} images{parts}, {dataset.samples.num_boxes} boxes, {identities} identities"


def _check_data(cfg: CfgNode, dataset: JointDataset) -> tuple[str, ...]:
    """Return what the labels alone tell of trouble, a line each; InputError where a training would go wrong.

    Validating on what one trains on spoils the scores, not the training, and may be meant: a warning here.
    """
    train = dataset.samples.sources
    val = build_indexes(cfg, cfg.DATA.VAL, key="DATA.VAL", bar=reading_bar)
    labels = [finding for index in train for finding in check_index(index)]
    found = [*labels, *check_leak(train, val)]
    for finding in labels:
        if finding.severity == ERROR:
            advice = "fairmot inspect_data tells more, DATA.CHECK False trains all the same"
            raise InputError(f"{finding.where}: {finding.check}: {finding.message}; {MEANING[finding.check]}; {advice}")
    return tuple(f"{finding.where}: {finding.check}: {finding.message}" for finding in found)


def _check_network(cfg: CfgNode, start: LocalFile | None) -> None:
    """Find what is wrong with the network's keys or its start, without making its values."""
    with torch.device("meta"):
        model = build_model(cfg)
    if start is not None:
        match_weights(model, read_checkpoint(start.path), label=str(start.path))


def _find_saved(cfg: CfgNode, last: Path, *, resume: bool) -> dict[str, Any] | None:
    if not resume:
        if last.exists():
            raise InputError(f"{last} exists: go on with --resume, or choose another --output")
        return None
    saved = read_checkpoint(last)
    missing = {"model", "criterion", "optimizer", "schedule", "progress", "rng", "cfg"} - saved.keys()
    if missing:
        raise InputError(f"{last}: no training checkpoint of ours: {', '.join(sorted(missing))} missing")
    before = _flatten(cfg_to_dict(cfg_from_dict(saved["cfg"])))  # a key that is newer than the file has its default
    now = _flatten(cfg_to_dict(cfg))
    changed = [
        f"{key} {before.get(key)!r} -> {now[key]!r}"
        for key in now
        if key not in CHANGEABLE_ON_RESUME and not key.startswith(FREE_SECTIONS) and before.get(key) != now[key]
    ]
    if changed:
        raise InputError(f"--resume: the run was begun with another configuration: {', '.join(changed)}")
    return saved


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _make_state(
    cfg: CfgNode, run: Run, *, num_identities: Sequence[int], saved: dict[str, Any] | None, start: LocalFile | None
) -> TrainState:
    model = build_model(cfg)
    if start is not None:
        run.log.info(load_file(model, start))
    model.to(run.device)
    if run.device.type == "cpu":
        lay_for_cpu_training(model)
    criterion = build_criterion(cfg, num_identities=num_identities).to(run.device)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    state = TrainState(model, criterion, optimizer, build_schedule(cfg, optimizer))
    if saved is not None:
        _restore(state, saved)
        run.log.info(f"resumed at epoch {state.progress.epoch + 1}, step {state.progress.step}")
    return state


def _restore(state: TrainState, saved: dict[str, Any]) -> None:
    try:
        state.load_state_dict(saved)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--resume: the checkpoint does not fit the data or the model: {reason}") from None


def _make_hooks(cfg: CfgNode, run: Run, writer: SummaryWriter, *, steps_per_epoch: int) -> list[Hook]:
    """Validation before the checkpoint, so that `last.pt` knows the best score."""
    extra = {"cfg": cfg_to_dict(cfg), "format": 1}

    def show(result: StepResult, step: int) -> None:
        for number, image in enumerate(heatmaps_beside_truth(result)):
            writer.add_image(f"heatmap/{number}", image, step, dataformats="HWC")

    hooks: list[Hook] = [
        ScalarsHook(writer, every=cfg.SOLVER.LOG_EVERY),
        ImagesHook(show, every=cfg.SOLVER.IMAGES_EVERY),
        ProgressHook(run.log.info, steps_per_epoch=steps_per_epoch),
    ]
    if cfg.DATA.VAL and cfg.SOLVER.VAL_EVERY:
        validator = Validator(cfg, run, writer)
        hooks.append(ValidationHook(validator, run.output / "best.pt", extra=extra, every=cfg.SOLVER.VAL_EVERY))
    hooks.append(CheckpointHook(run.output / "last.pt", extra=extra, every=cfg.SOLVER.SAVE_EVERY))
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
