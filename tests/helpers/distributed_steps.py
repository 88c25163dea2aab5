"""Two optimizer steps on one batch of four images, by the processes that torchrun starts.

    torchrun --nproc_per_node 2 distributed_steps.py FOLDER [DEVICE NORM]

writes the result of each variant to FOLDER/<variant>.pt. The images have very different numbers of objects, so that a
loss that each process divides by its own number would give another result.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

from fairmot.codec.encode import encode
from fairmot.config.load import load_cfg
from fairmot.data.collate import collate
from fairmot.data.joint_dataset import TrainItem
from fairmot.engine.ema import average_of
from fairmot.engine.state import TrainState
from fairmot.engine.task_gradients import choose_trainer
from fairmot.engine.trainer import TrainOptions
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.joint_detector import JointDetector
from fairmot.models.memory_format import to_channels_last
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs, TaskLosses
from fairmot.utils.distributed import Distributed, distributed_from_env

SMALL = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8"]
COUNTS = (6, 0, 2, 1)  # objects of each image
IDENTITIES = 5
STEPS = 2


def make_batch(size_hw: tuple[int, int] = (64, 96)) -> Batch:
    """Return the full batch in float64; half of the objects are of unknown identity."""
    rng = np.random.default_rng(4)
    items = []
    for number, count in enumerate(COUNTS):
        corners = rng.uniform((0, 0), (60, 30), (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(8, 30, (count, 2))], axis=1)
        identities = np.where(rng.random(count) < 0.5, -1, rng.integers(0, IDENTITIES, count))
        targets = encode(boxes, identities, input_hw=size_hw)
        image = rng.integers(0, 256, (*size_hw, 3)).astype(np.uint8)
        items.append(TrainItem(image, targets, f"{number}.jpg"))
    batch = collate(items)
    return Batch(*(v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in batch))


class Opposed(nn.Module):
    """Two tasks of two heads with equal weights and opposite targets: their gradients conflict."""

    def __init__(self, balance: nn.Module) -> None:
        super().__init__()
        self.balance = balance

    def forward(self, outputs: HeadOutputs, batch: Batch, counts: object = None) -> TaskLosses:
        """Return losses that are means over images, so that those of equal parts add up."""
        first = (
            (outputs.heatmap - 5).square().mean() + outputs.size_ltrb.square().mean() + outputs.offset.square().mean()
        )
        second = (outputs.embedding[:, :1] + 9).square().mean()
        return TaskLosses(first, second, first, first, first)


def copy_heatmap_head(model: JointDetector) -> None:
    """Copy the weights of the heatmap head to the first value of the embedding head."""
    heatmap, embedding = model.heads["heatmap"], model.heads["embedding"]
    with torch.no_grad():
        embedding[0].weight.copy_(heatmap[0].weight)
        embedding[0].bias.copy_(heatmap[0].bias)
        embedding[2].weight[:1] = heatmap[2].weight
        embedding[2].bias[:1] = heatmap[2].bias


def shard_of(batch: Batch, world: Distributed) -> Batch:
    """Return this process's images."""
    return Batch(*(field[world.rank :: world.world_size] for field in batch))


def run(
    world: Distributed,
    batch: Batch,
    *,
    norm: str,
    device: str,
    optimizer: str = "adam",
    accumulate: int = 1,
    balance: str = "uncertainty",
    opposed: bool = False,
) -> dict[str, object]:
    """Return losses and fairness of each step, and the weights, classifier and average after the last."""
    overrides = ["MODEL.NORM", norm, "SOLVER.OPTIMIZER", optimizer, "SOLVER.BASE_LR", "0.001", "SOLVER.FUSED", "True"]
    overrides += ["LOSS.BALANCE", balance]
    cfg = load_cfg(None, [*SMALL, *overrides])
    torch.manual_seed(world.rank)  # the weights of the main process are broadcast
    model, criterion = build_model(cfg), build_criterion(cfg, num_identities=IDENTITIES)
    if world.is_main_process:
        load_deterministic_weights(model)
    model, criterion = model.double().to(device), criterion.double().to(device)
    if opposed:
        copy_heatmap_head(model)
        criterion = Opposed(criterion.balance)
    to_channels_last(model)
    world.broadcast_module(model)
    optim = build_optimizer(cfg, model=model, criterion=criterion)
    schedule = build_schedule(cfg, optim, steps_per_epoch=STEPS)
    state = TrainState(model, criterion, optim, schedule, average=average_of(model, decay=0.9))
    options = TrainOptions(epochs=1, clip_norm=5.0, accumulation_steps=accumulate, fairness_interval=1)
    trainer = choose_trainer(state, options, device=torch.device(device), world=world)
    model.train()
    shard = shard_of(batch, world).to(torch.device(device))
    results = [trainer.train_step(shard) for _ in range(STEPS)]
    states = {
        "model": model.state_dict(),
        "criterion": criterion.state_dict(),
        "average": state.scored_model.state_dict(),
    }
    terms = torch.tensor([[float(term) for term in result.terms] for result in results])
    return {"terms": terms, "fairness": torch.tensor([result.fairness for result in results]), **states}


VARIANTS = {
    "sgd": {"optimizer": "sgd"},
    "adam": {},
    "adam in two parts": {"accumulate": 2},
    "gradnorm": {"balance": "gradnorm"},
    "gradnorm in two parts": {"balance": "gradnorm", "accumulate": 2},
    "mgda_ub": {"balance": "mgda_ub"},
    "pcgrad": {"balance": "pcgrad", "opposed": True},
    "pcgrad in two parts": {"balance": "pcgrad", "opposed": True, "accumulate": 2},
    "no pcgrad": {"balance": "fixed", "opposed": True},
}


def run_all(folder: Path, device: str = "cpu", norm: str = "frozen") -> None:
    """Run the variants on this rank; the main process writes."""
    torch.set_default_dtype(torch.float64)
    world, batch = distributed_from_env(), make_batch()
    if world.world_size > 1:
        distributed.init_process_group("gloo")
    for name, options in VARIANTS.items():
        result = run(world, batch, norm=norm, device=device, **options)
        if world.is_main_process:
            torch.save(result, folder / f"{name}.pt")
    if world.world_size > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), *sys.argv[2:])
