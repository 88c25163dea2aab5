"""Builders of training datasets and loaders from the configuration.

Reads DATA, INPUT, AUGMENT, MODEL.NUM_CLASSES, SOLVER.BATCH_SIZE, SOLVER.ACCUMULATION_STEPS and SEED.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from fairmot.config.node import CfgNode
from fairmot.data.augment.affine import AugmentOptions
from fairmot.data.catalog import SequenceSpan, resolve_data_set, resolve_spans
from fairmot.data.index.cache import DatasetSpec, cache_folder, load_index
from fairmot.data.index.label_index import LabelIndex
from fairmot.data.joint_dataset import JointDataset, TargetOptions
from fairmot.data.loader import TrainLoader
from fairmot.data.readers.base import Bar, no_bar
from fairmot.data.readers.registry import LAYOUTS
from fairmot.data.sampler import EpochSampler
from fairmot.data.samples import join_indexes
from fairmot.geometry.letterbox import round_up_hw
from fairmot.utils.errors import InputError


def build_train_dataset(cfg: CfgNode, *, bar: Bar = no_bar) -> JointDataset:
    """Index the data sets of DATA.TRAIN; `dataset.identity_counts` has the number of identities per class.

    bar: progress bar for reading labels that are not in the cache.
    """
    if len(cfg.DATA.CLASSES) != cfg.MODEL.NUM_CLASSES:
        expected = f"must be MODEL.NUM_CLASSES = {cfg.MODEL.NUM_CLASSES} names"
        raise InputError(f"DATA.CLASSES = {cfg.DATA.CLASSES!r} {expected}")
    return JointDataset(
        join_indexes(build_indexes(cfg, cfg.DATA.TRAIN, limit=cfg.DATA.FRAME_LIMIT, bar=bar)),
        input_hw=round_up_hw(cfg.INPUT.SIZE_HW),
        augment=build_augment_options(cfg),
        seed=cfg.SEED,
        targets=TargetOptions(
            num_classes=cfg.MODEL.NUM_CLASSES,
            max_objects=cfg.DATA.MAX_OBJECTS,
            render=cfg.DATA.TARGETS == "host",
        ),
    )


def build_indexes(
    cfg: CfgNode, entries: Sequence[str], *, limit: int = 0, key: str = "DATA.TRAIN", bar: Bar = no_bar
) -> tuple[LabelIndex, ...]:
    """Return the index of each data set that `entries` of `key` name, read or mapped from DATA.CACHE."""
    specs = [build_dataset_spec(cfg, entry, limit=limit, key=key) for entry in entries]
    cache = cache_folder(cfg.DATA.CACHE)
    rebuild = cfg.DATA.REBUILD_INDEX
    return tuple(
        load_index(spec, LAYOUTS[spec.layout].make_reader(spec.source), cache=cache, rebuild=rebuild, bar=bar)
        for spec in specs
    )


def build_dataset_spec(cfg: CfgNode, entry: str, *, limit: int = 0, key: str = "DATA.TRAIN") -> DatasetSpec:
    """Return the specification of the data set that one entry of `key` names."""
    return resolve_data_set(
        entry, root=Path(cfg.DATA.ROOT), sets=cfg.DATA.SETS, classes=cfg.DATA.CLASSES, limit=limit, key=key
    )


def build_val_spans(cfg: CfgNode) -> tuple[SequenceSpan, ...]:
    """Return the sequences of DATA.VAL, each with its split."""
    return resolve_spans(cfg.DATA.VAL, root=Path(cfg.DATA.ROOT), sets=cfg.DATA.SETS, classes=cfg.DATA.CLASSES)


def build_augment_options(cfg: CfgNode) -> AugmentOptions | None:
    """Return the options of AUGMENT, None where it is disabled."""
    if not cfg.AUGMENT.ENABLED:
        return None
    return AugmentOptions(**{field.name: getattr(cfg.AUGMENT, field.name.upper()) for field in fields(AugmentOptions)})


def build_train_loader(
    cfg: CfgNode,
    dataset: JointDataset,
    *,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> TrainLoader:
    """Return the loader of `dataset`; its `epoch(epoch, start_batch)` yields the batches of an epoch.

    report: receives a message for each image that cannot be read.

    Raises InputError where SOLVER.BATCH_SIZE cannot be divided into `world_size` x SOLVER.ACCUMULATION_STEPS equal
    parts of full groups of DATA.IMAGES_PER_SEQUENCE images.
    """
    sampler = EpochSampler(
        len(dataset),
        cfg.SOLVER.BATCH_SIZE,
        cfg.SEED,
        rank,
        world_size,
        cfg.SOLVER.ACCUMULATION_STEPS,
        images_per_sequence=cfg.DATA.IMAGES_PER_SEQUENCE,
        sequence_of=dataset.samples.sequence_numbers() if cfg.DATA.IMAGES_PER_SEQUENCE > 1 else None,
    )
    return TrainLoader(
        dataset,
        sampler,
        workers=cfg.DATA.WORKERS,
        pin_memory=pin_memory,
        max_bad_images=cfg.DATA.MAX_BAD_IMAGES,
        report=report,
    )
