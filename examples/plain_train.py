"""Training of FairMOT on the synthetic world in one file, without a configuration.

    python examples/plain_train.py [STEPS]

Each part is created by its constructor; `fairmot train` builds the same parts from a YAML file.
"""

import sys
import tempfile
from itertools import count, islice
from pathlib import Path

import torch
from torch import nn

from fairmot.data.augment.affine import AugmentOptions
from fairmot.data.index.builder import Selection, build_index
from fairmot.data.joint_dataset import JointDataset
from fairmot.data.loader import TrainLoader
from fairmot.data.readers.base import Source
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.sampler import EpochSampler
from fairmot.data.samples import join_indexes
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss
from fairmot.losses.task_weighting import UncertaintyWeighting
from fairmot.models.architectures import BACKBONES
from fairmot.models.heads import make_heads
from fairmot.models.joint_detector import JointDetector
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.world import build_world
from fairmot.synthetic.write import write_sequence

INPUT_HW, REID_DIM = (128, 224), 32  # network input (height, width) in pixels; values of an embedding


def make_dataset(root: Path, *, frames: int) -> JointDataset:
    """Render two MOTChallenge sequences below `root`; index their images and labels."""
    for seed in (1, 2):
        write_sequence(build_world(WorldOptions(seed=seed, frames=frames, size_hw=(180, 320), people=10)), root)
    reader = MotChallengeReader(Source(root))
    annotations = [reader.read(folder) for folder in reader.plan().units]
    selection = Selection(classes=("pedestrian",), numbers=(1,))
    image_root = str(reader.image_root)
    index = build_index(annotations, selection, name="synthetic", image_root=image_root, is_normalised=False)
    return JointDataset(join_indexes([index]), input_hw=INPUT_HW, augment=AugmentOptions())


def make_model() -> JointDetector:
    """Return a DLA-34 with a quarter of the channels, and heads for heatmap, box size, offset and embedding."""
    dla = BACKBONES["dla_34"](0.25)
    heads = make_heads(dla.channels, num_classes=1, reid_dim=REID_DIM, hidden=64, heatmap_bias=-2.19)
    return JointDetector(dla.backbone, dla.neck, heads)


def train(dataset: JointDataset, *, steps: int, device: torch.device) -> list[float]:
    """Train a new model for some steps; return the total loss of each."""
    model = make_model().to(device)
    criterion = JointLoss(IdentityLoss(REID_DIM, dataset.identity_counts), UncertaintyWeighting()).to(device)
    parameters = [*model.parameters(), *criterion.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    loader = TrainLoader(dataset, EpochSampler(len(dataset), batch_size=4))
    batches = (batch for epoch in count() for batch in loader.epoch(epoch))
    totals = []
    for step, batch in enumerate(islice(batches, steps), start=1):
        batch = batch.to(device)
        losses = criterion(model(batch.images_B3HW), batch)
        total = criterion.balance(losses.detection, losses.identity)
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        totals.append(float(total.detach()))
        print(f"step {step}: total {totals[-1]:.3f}, identity {float(losses.identity.detach()):.3f}")
    return totals


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        train(make_dataset(Path(folder), frames=20), steps=int([*sys.argv, "20"][1]), device=torch.device("cpu"))
