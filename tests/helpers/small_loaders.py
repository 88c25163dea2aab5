"""Training dataset and loader over one synthetic sequence."""

from pathlib import Path

from fairmot.data.joint_dataset import JointDataset, TargetOptions
from fairmot.data.loader import TrainLoader
from fairmot.data.sampler import EpochSampler
from helpers.small_sequences import index_samples, make_sequence, walkers


def make_dataset(folder: Path, *, render: bool = True) -> JointDataset:
    sequence = make_sequence(folder, "S1", walkers((1, 2), 6), frames=6)
    return JointDataset(index_samples([sequence]), input_hw=(256, 320), targets=TargetOptions(render=render))


def make_loader(dataset: JointDataset, workers: int = 0) -> TrainLoader:
    return TrainLoader(dataset, EpochSampler(len(dataset), 2), workers=workers)
