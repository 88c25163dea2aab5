"""Inputs and checks of `fairmot train` before it writes anything."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fairmot.commands.run import log_name, reading_bar, resolve_device
from fairmot.config.load import cfg_from_dict, cfg_to_dict, flatten
from fairmot.config.node import CfgNode
from fairmot.data.build import build_indexes, build_train_dataset, build_train_loader
from fairmot.data.inspection.findings import ERROR
from fairmot.data.inspection.index_checks import check_index, check_leak
from fairmot.data.joint_dataset import JointDataset
from fairmot.data.loader import TrainLoader
from fairmot.engine.hooks import PREVIOUS
from fairmot.formats.checkpoint import offer_previous, read_checkpoint
from fairmot.formats.download import LocalFile, locate
from fairmot.models.build import build_model
from fairmot.models.weights import match_weights
from fairmot.utils.distributed import Distributed
from fairmot.utils.errors import InputError

LAST = "last.pt"
CHANGEABLE_ON_RESUME = {
    "OUTPUT", "DEVICE", "DATA.ROOT", "DATA.WORKERS", "DATA.VAL", "DATA.CACHE", "DATA.REBUILD_INDEX", "DATA.TARGETS",
    "DATA.MAX_BAD_IMAGES", "DATA.CHECK", "DATA.PREFETCH", "MODEL.WEIGHTS", "MODEL.WEIGHTS_SHA256",
    "SOLVER.EPOCHS", "SOLVER.MAX_STEPS", "SOLVER.LOG_EVERY", "SOLVER.FAIRNESS_EVERY", "SOLVER.SAMPLE_IMAGES_EVERY",
    "SOLVER.VAL_EVERY", "SOLVER.SAVE_EVERY", "SOLVER.SAVE_EVERY_STEPS", "SOLVER.MAX_NONFINITE_STEPS", "SOLVER.COMPILE",
}  # fmt: skip
FREE_SECTIONS = ("PREDICT.", "TRACKER.", "EVAL.")


class TrainSetup(NamedTuple):
    """Checked inputs of a training."""

    saved: dict[str, Any] | None  # checkpoint to resume, on the main process
    start: LocalFile | None  # MODEL.WEIGHTS, on the main process
    dataset: JointDataset
    loader: TrainLoader
    warnings: tuple[str, ...]


def preflight(cfg: CfgNode, resume_from: Path | None, world: Distributed) -> TrainSetup:
    """Read and check the inputs of a run. The main process alone reads the files that only it needs to reach."""
    saved = start = None
    if world.is_main_process:
        saved = _find_saved(cfg, Path(cfg.OUTPUT) / LAST, resume_from)
        start = None if saved or not cfg.MODEL.WEIGHTS else locate(cfg.MODEL.WEIGHTS, sha256=cfg.MODEL.WEIGHTS_SHA256)
    with torch.device("meta"):
        model = build_model(cfg)  # checks the network's keys
    if start is not None:
        match_weights(model, read_checkpoint(start.path), label=str(start.path))
    dataset = build_train_dataset(cfg, bar=reading_bar)
    warnings = _check_data(cfg, dataset) if cfg.DATA.CHECK and world.is_main_process else ()
    if world.is_main_process:
        warnings += _warn_of_triplets(cfg, dataset)
    on_gpu = resolve_device(cfg.DEVICE, world).type == "cuda"
    if cfg.MODEL.NORM == "sync" and world.world_size > 1 and not on_gpu:
        raise InputError("MODEL.NORM = 'sync': PyTorch synchronises batch norms on GPUs only; choose batch or frozen")
    if cfg.MODEL.NORM == "frozen" and not cfg.MODEL.WEIGHTS:
        raise InputError("MODEL.NORM = 'frozen': norms stay as MODEL.WEIGHTS loads them, and it is empty")
    if saved is not None and saved.get("images", len(dataset)) != len(dataset):
        raise InputError(f"--resume: the run started with {saved['images']} images, now there are {len(dataset)}")
    report = logging.getLogger(log_name(world)).warning
    loader = build_train_loader(
        cfg, dataset, rank=world.rank, world_size=world.world_size, pin_memory=on_gpu, report=report
    )
    return TrainSetup(saved, start, dataset, loader, warnings)


def _warn_of_triplets(cfg: CfgNode, dataset: JointDataset) -> tuple[str, ...]:
    """Warn where a batch rarely has two embeddings of an identity; with `pos_anchor` each object has several."""
    if cfg.LOSS.IDENTITY != "triplet" or cfg.MODEL.REID_SAMPLING == "pos_anchor":
        return ()
    if sum(dataset.identity_counts) >= dataset.samples.num_boxes:
        return ("LOSS.IDENTITY triplet: each identity occurs once, so there are no triplets to learn from",)
    if cfg.DATA.IMAGES_PER_SEQUENCE == 1:
        return ("LOSS.IDENTITY triplet: with DATA.IMAGES_PER_SEQUENCE 1 a batch rarely contains an identity twice",)
    return ()


def require_same_config(cfg: CfgNode, dataset: JointDataset, world: Distributed) -> None:
    """Raise InputError on every rank where one has other data or another configuration."""
    own = cfg_to_dict(cfg)
    for key in ("ROOT", "CACHE", "WORKERS"):  # may differ between machines
        own["DATA"].pop(key)
    numbers = (len(dataset), dataset.samples.num_boxes, dataset.identity_counts)
    for rank, (theirs, counts) in enumerate(world.all_gather_object((own, numbers))):
        if counts != numbers:
            raise InputError(f"rank {rank} has images, boxes, identities {counts}, rank {world.rank} {numbers}")
        if theirs != own:
            raise InputError(f"ranks {rank} and {world.rank} were started with different configurations")


def _check_data(cfg: CfgNode, dataset: JointDataset) -> tuple[str, ...]:
    """Return warnings about the labels, one line each; InputError for labels that would spoil the training.

    Training images among the validation images spoil only the scores, and may be intended: a warning.
    """
    train = dataset.samples.sources
    val = build_indexes(cfg, cfg.DATA.VAL, key="DATA.VAL", bar=reading_bar)
    labels = [finding for index in train for finding in check_index(index)]
    found = [*labels, *check_leak(train, val)]
    for finding in labels:
        if finding.severity == ERROR:
            advice = "see fairmot inspect_data; DATA.CHECK False trains on them"
            raise InputError(f"{finding.where}: {finding.check}: {finding.message}; {finding.check.meaning}; {advice}")
    return tuple(f"{finding.where}: {finding.check}: {finding.message}" for finding in found)


def _find_saved(cfg: CfgNode, last: Path, resume_from: Path | None) -> dict[str, Any] | None:
    """Return the checkpoint to resume; InputError where it does not fit, or where `last` would be overwritten."""
    if resume_from is None:
        if last.exists():
            raise InputError(f"{last} exists: continue with --resume, or choose another --output")
        return None
    if last.exists() and last.resolve().parent != resume_from.resolve().parent:
        raise InputError(f"{last} exists, and {resume_from} belongs to another run: choose another --output")
    try:
        saved = read_checkpoint(resume_from)
    except InputError as error:
        raise InputError(f"{error}{offer_previous(resume_from.with_name(PREVIOUS))}") from None
    missing = {"model", "criterion", "optimizer", "schedule", "progress", "rng", "cfg", "format"} - saved.keys()
    if missing:
        raise InputError(f"{resume_from}: not a training checkpoint of FairMOT: {', '.join(sorted(missing))} missing")
    before = flatten(cfg_to_dict(cfg_from_dict(saved["cfg"])))  # newer keys get their defaults
    now = flatten(cfg_to_dict(cfg))
    changed = [
        f"{key} {before.get(key)!r} -> {now[key]!r}"
        for key in now
        if key not in CHANGEABLE_ON_RESUME and not key.startswith(FREE_SECTIONS) and before.get(key) != now[key]
    ]
    if changed:
        raise InputError(f"--resume: the run started with another configuration: {', '.join(changed)}")
    return saved
