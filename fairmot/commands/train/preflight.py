"""What `fairmot train` reads and checks before it writes anything."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fairmot.commands.run import log_name, reading_bar, resolve_device
from fairmot.config.load import cfg_from_dict, cfg_to_dict
from fairmot.config.node import CfgNode
from fairmot.data.build import build_indexes, build_train_dataset, build_train_loader
from fairmot.data.inspection.findings import ERROR, MEANING
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
    "OUTPUT", "DEVICE", "DATA.ROOT", "DATA.WORKERS", "DATA.VAL", "DATA.CACHE", "DATA.REBUILD_INDEX",
    "DATA.MAX_BAD_IMAGES",
    "DATA.TARGETS", "DATA.CHECK", "DATA.PREFETCH", "MODEL.WEIGHTS", "MODEL.WEIGHTS_SHA256",
    "SOLVER.EPOCHS", "SOLVER.MAX_STEPS", "SOLVER.LOG_EVERY", "SOLVER.FAIRNESS_EVERY", "SOLVER.SAMPLE_IMAGES_EVERY",
    "SOLVER.VAL_EVERY", "SOLVER.SAVE_EVERY", "SOLVER.SAVE_EVERY_STEPS", "SOLVER.MAX_NONFINITE_STEPS", "SOLVER.COMPILE",
}  # fmt: skip
FREE_SECTIONS = ("PREDICT.", "TRACKER.", "EVAL.")


class TrainSetup(NamedTuple):
    """All that is known, and found right, before anything is written."""

    saved: dict[str, Any] | None
    start: LocalFile | None
    dataset: JointDataset
    loader: TrainLoader
    warnings: tuple[str, ...]


def preflight(cfg: CfgNode, resume_from: Path | None, world: Distributed) -> TrainSetup:
    """Read and check what the run needs. Files that the first process alone may see are read by it alone."""
    saved = start = None
    if world.is_main_process:
        saved = _find_saved(cfg, Path(cfg.OUTPUT) / LAST, resume_from)
        start = None if saved or not cfg.MODEL.WEIGHTS else locate(cfg.MODEL.WEIGHTS, sha256=cfg.MODEL.WEIGHTS_SHA256)
    _check_network(cfg, start)
    dataset = build_train_dataset(cfg, bar=reading_bar)
    warnings = _check_data(cfg, dataset) if cfg.DATA.CHECK and world.is_main_process else ()
    if world.is_main_process:
        warnings += _warn_of_triplets(cfg, dataset)
    on_gpu = resolve_device(cfg.DEVICE, world).type == "cuda"
    _check_norms(cfg, many_on_cpu=world.world_size > 1 and not on_gpu)
    if saved is not None and saved.get("images", len(dataset)) != len(dataset):
        raise InputError(f"--resume: the run was begun with {saved['images']} images, now there are {len(dataset)}")
    report = logging.getLogger(log_name(world)).warning
    loader = build_train_loader(
        cfg, dataset, rank=world.rank, world_size=world.world_size, pin_memory=on_gpu, report=report
    )
    return TrainSetup(saved, start, dataset, loader, warnings)


def _warn_of_triplets(cfg: CfgNode, dataset: JointDataset) -> tuple[str, ...]:
    """Say where triplets would seldom find two embeddings of a person; with `pos_anchor` each object has several."""
    if cfg.LOSS.IDENTITY != "triplet" or cfg.MODEL.REID_SAMPLING == "pos_anchor":
        return ()
    if sum(dataset.identity_counts) >= dataset.samples.num_boxes:
        return ("LOSS.IDENTITY triplet: each identity is shown once, so there are no triplets to learn from",)
    if cfg.DATA.IMAGES_PER_SEQUENCE == 1:
        return ("LOSS.IDENTITY triplet: with DATA.IMAGES_PER_SEQUENCE 1 a batch rarely contains an identity twice",)
    return ()


def _check_norms(cfg: CfgNode, *, many_on_cpu: bool) -> None:
    if cfg.MODEL.NORM == "sync" and many_on_cpu:
        raise InputError("MODEL.NORM = 'sync': PyTorch joins batch norms on GPUs alone; choose batch or frozen")
    if cfg.MODEL.NORM == "frozen" and not cfg.MODEL.WEIGHTS:
        raise InputError("MODEL.NORM = 'frozen': norms stay as MODEL.WEIGHTS loads them, and it names none")


def require_same_config(cfg: CfgNode, dataset: JointDataset, world: Distributed) -> None:
    """Raise InputError, in every process, where one has other data or another configuration."""
    own = cfg_to_dict(cfg)
    for place in ("ROOT", "CACHE", "WORKERS"):
        own["DATA"].pop(place)  # machines may differ there
    numbers = (len(dataset), dataset.samples.num_boxes, dataset.identity_counts)
    for rank, (theirs, counts) in enumerate(world.all_gather_object((own, numbers))):
        if counts != numbers:
            raise InputError(f"process {rank} has images, boxes, identities {counts}, process {world.rank} {numbers}")
        if theirs != own:
            raise InputError(f"processes {rank} and {world.rank} were started with different configurations")


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


def _find_saved(cfg: CfgNode, last: Path, resume_from: Path | None) -> dict[str, Any] | None:
    if resume_from is None:
        if last.exists():
            raise InputError(f"{last} exists: go on with --resume, or choose another --output")
        return None
    if last.exists() and last.resolve().parent != resume_from.resolve().parent:
        raise InputError(f"{last} exists, and {resume_from} is another run's: choose another --output")
    try:
        saved = read_checkpoint(resume_from)
    except InputError as error:
        raise InputError(f"{error}{offer_previous(resume_from.with_name(PREVIOUS))}") from None
    missing = {"model", "criterion", "optimizer", "schedule", "progress", "rng", "cfg"} - saved.keys()
    if missing:
        raise InputError(f"{resume_from}: no training checkpoint of ours: {', '.join(sorted(missing))} missing")
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
