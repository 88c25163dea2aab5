"""From the configuration to training data; reads DATA, INPUT, AUGMENT, MODEL.NUM_CLASSES, SOLVER.BATCH_SIZE, SEED."""

from pathlib import Path

from fairmot.config.node import CfgNode
from fairmot.data.augment import AugmentOptions
from fairmot.data.catalog import resolve_sequences
from fairmot.data.joint_dataset import JointDataset
from fairmot.data.loader import TrainLoader
from fairmot.data.sampler import EpochSampler
from fairmot.data.samples import index_samples
from fairmot.geometry.letterbox import round_up_hw


def build_train_dataset(cfg: CfgNode) -> JointDataset:
    """Index the sequences of DATA.TRAIN; `dataset.num_identities` is what the classifier tells apart."""
    folders = resolve_sequences(Path(cfg.DATA.ROOT), cfg.DATA.TRAIN)
    return JointDataset(
        index_samples(folders, frame_limit=cfg.DATA.FRAME_LIMIT),
        input_hw=round_up_hw(cfg.INPUT.SIZE_HW),
        augment=build_augment_options(cfg),
        seed=cfg.SEED,
        num_classes=cfg.MODEL.NUM_CLASSES,
        max_objects=cfg.DATA.MAX_OBJECTS,
    )


def build_augment_options(cfg: CfgNode) -> AugmentOptions | None:
    """Return AUGMENT's options, None where it is off."""
    if not cfg.AUGMENT.ENABLED:
        return None
    return AugmentOptions(
        saturation=cfg.AUGMENT.SATURATION,
        value=cfg.AUGMENT.VALUE,
        rotation=cfg.AUGMENT.ROTATION,
        translation=cfg.AUGMENT.TRANSLATION,
        scale=cfg.AUGMENT.SCALE,
        shear=cfg.AUGMENT.SHEAR,
        flip=cfg.AUGMENT.FLIP,
        translation_axes=cfg.AUGMENT.TRANSLATION_AXES,
        outside=cfg.AUGMENT.OUTSIDE,
    )


def build_train_loader(
    cfg: CfgNode, dataset: JointDataset, *, rank: int = 0, world_size: int = 1, pin_memory: bool = False
) -> TrainLoader:
    """Return the loader of `dataset`; its `epoch(epoch, start_batch)` gives an epoch's batches."""
    sampler = EpochSampler(len(dataset), cfg.SOLVER.BATCH_SIZE, cfg.SEED, rank, world_size)
    return TrainLoader(dataset, sampler, workers=cfg.DATA.WORKERS, pin_memory=pin_memory)
