"""Optimizer steps with a sharded classifier, by one process or by several that torch starts.

The images have very different numbers of objects; in one step one process has none, in another all have none.
"""

from pathlib import Path

import torch
from torch import distributed, multiprocessing

from fairmot.config.load import load_cfg
from fairmot.losses.partial_fc import PartialFCLoss
from fairmot.optim.build import build_optimizer
from fairmot.structures.outputs import EmbeddingSamples
from fairmot.utils.distributed import Distributed, gather_shards

DIMS = 6
COUNTS = (37, 0, 8)
STEPS = ((5, 0, 3, 1), (6, 0, 2, 0), (0, 0, 0, 0), (1, 4, 2, 2), (2, 2, 2, 2))  # objects of each image


def image_of(step: int, index: int) -> EmbeddingSamples:
    """Return an image's inputs, in float64, with their identities, classes and weights."""
    rng, count = torch.Generator().manual_seed(100 * step + index), STEPS[step][index]
    inputs = torch.randn(count, 5, generator=rng, dtype=torch.float64)
    kinds = 2 * torch.randint(2, (count,), generator=rng)
    identities = torch.stack([torch.randint(37, (count,), generator=rng), torch.randint(8, (count,), generator=rng)])
    weights = torch.rand(count, generator=rng, dtype=torch.float64)
    return EmbeddingSamples(inputs, identities[kinds // 2, torch.arange(count)], kinds, weights)


def shard_of(step: int, world: Distributed, part: int, parts: int) -> EmbeddingSamples:
    """Return this process's samples in one of the parts of a step."""
    images = [image_of(step, index) for index in range(4)[part::parts][world.rank :: world.world_size]]
    empty = EmbeddingSamples(*(field[:0] for field in image_of(step, 0)))
    return EmbeddingSamples(*(torch.cat(fields) for fields in zip(empty, *images, strict=True)))


def make_steps(world: Distributed, *, rate: float, parts: int, optimizer: str) -> dict[str, object]:
    """Return the loss of each step, and the weights and the full table after the last."""
    torch.manual_seed(0)
    model = torch.nn.Linear(5, DIMS).double()
    criterion = PartialFCLoss(DIMS, COUNTS, rate=rate, seed=3, world=world).double()
    keys = ["SOLVER.OPTIMIZER", optimizer, "SOLVER.BASE_LR", "0.05", "SOLVER.WEIGHT_DECAY", "0.01"]
    learner = build_optimizer(load_cfg(None, keys), model=model, criterion=criterion)
    losses = []
    for step, objects in enumerate(STEPS):
        learner.zero_grad()
        terms = []
        for part in range(parts):
            shard = shard_of(step, world, part, parts)
            samples = shard._replace(embeddings_ND=model(shard.embeddings_ND))
            terms.append(parts * world.world_size * criterion(samples, torch.tensor(sum(objects))))
            (terms[-1] / parts).backward()
        for parameter in model.parameters():
            parameter.grad = world.all_reduce(parameter.grad) / world.world_size
        learner.step()
        losses.append(world.all_reduce(torch.stack(terms).detach().mean()) / world.world_size)
    table = {name: gather_shards(world, value) for name, value in criterion.classifier.items()}
    return {"losses": torch.stack(losses), "draws": criterion.draws, **model.state_dict(prefix="model."), **table}


VARIANTS = {
    "rate 1": {"rate": 1.0, "parts": 1, "optimizer": "adam"},
    "rate 1 in two parts": {"rate": 1.0, "parts": 2, "optimizer": "adam"},
    "rate 0.3": {"rate": 0.3, "parts": 1, "optimizer": "adam"},
    "rate 0.3 in two parts": {"rate": 0.3, "parts": 2, "optimizer": "adam"},
    "rate 0.3, adamw": {"rate": 0.3, "parts": 1, "optimizer": "adamw"},
    "rate 0.3, sgd": {"rate": 0.3, "parts": 1, "optimizer": "sgd"},
}


def run_all(rank: int, size: int, rendezvous: str, folder: Path) -> None:
    """Run the variants as one of `size` processes; the main process writes the results."""
    world = Distributed(rank=rank, world_size=size)
    if size > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size)
    for name, options in VARIANTS.items():
        result = make_steps(world, **options)
        if world.is_main_process:
            torch.save(result, folder / f"{name}.pt")
    if size > 1:
        distributed.destroy_process_group()


def run_by(size: int, folder: Path) -> None:
    """Run the variants by `size` processes, by this one if it is one."""
    if size == 1:
        run_all(0, 1, "", folder)
        return
    multiprocessing.spawn(run_all, args=(size, str(folder / "rendezvous"), folder), nprocs=size)
