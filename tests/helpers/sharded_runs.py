"""Training runs with a classifier that is sharded over the processes that torch starts."""

from contextlib import suppress
from pathlib import Path

import torch
from torch import distributed, multiprocessing, nn

from fairmot.config.load import load_cfg
from fairmot.engine.hooks import CheckpointHook, ValidationHook
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Hook, Trainer, TrainOptions
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.losses.build import build_criterion
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs
from fairmot.utils.distributed import Distributed
from helpers.distributed_steps import IDENTITIES, make_batch, shard_of

KEYS = ["LOSS.IDENTITY", "partial_fc", "LOSS.SAMPLE_RATE", "0.6", "MODEL.REID_DIM", "8", "SOLVER.BASE_LR", "0.01"]
BATCHES = 2
CHANNELS = {"heatmap": 1, "size_ltrb": 4, "offset": 2, "embedding": 8}


class Heads(nn.Module):
    """A convolution, then a map of stride 4 for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 1)
        self.heads = nn.ModuleDict({name: nn.Conv2d(3, count, 4, stride=4) for name, count in CHANNELS.items()})

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.shared(images)

    def read(self, features: torch.Tensor) -> HeadOutputs:
        return HeadOutputs(**{name: head(features) for name, head in self.heads.items()})


class Loader:
    """This process's images of the same batch, whose order changes with its number."""

    def __init__(self, world: Distributed) -> None:
        self.world = world

    def epoch(self, epoch: int, *, start_batch: int = 0):
        for number in range(start_batch, BATCHES):
            turn = (2 * epoch + number) % 4
            batch = make_batch()
            turned = (
                value[turn:] + value[:turn] if isinstance(value, tuple) else value.roll(turn, 0) for value in batch
            )
            yield shard_of(Batch(*turned), self.world)


class BrokenOnPurpose(Exception):
    """Error that ends a run on purpose."""


class BreakAfter(Hook):
    """Raise after a step, while the state is consistent."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_step(self, trainer, result) -> None:
        if trainer.state.progress.step == self.step:
            raise BrokenOnPurpose


def new_state(
    world: Distributed,
    *,
    identities: int = IDENTITIES,
    overrides: tuple[str, ...] = (),
    dtype: torch.dtype = torch.float64,
) -> TrainState:
    """Return an initial state, equal for any number of processes."""
    torch.manual_seed(5)
    cfg = load_cfg(None, [*KEYS, *overrides])
    model = Heads().to(dtype)
    criterion = build_criterion(cfg, num_identities=identities, world=world, seed=11).to(dtype)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    return TrainState(model, criterion, optimizer, build_schedule(cfg, optimizer, steps_per_epoch=BATCHES), world=world)


def train(
    world: Distributed,
    folder: Path,
    *,
    epochs: int,
    resume: Path | None = None,
    extra: tuple[Hook, ...] = (),
    every_steps: int = 0,
) -> None:
    """Train into `folder`, to `last.pt` and `best.pt`, as `fairmot train` arranges its hooks."""
    state = new_state(world)
    if resume is not None:
        state.load_state_dict(read_checkpoint(resume))
    saving = CheckpointHook(folder / "last.pt" if world.is_main_process else None, extra={}, every_steps=every_steps)
    best = ValidationHook(
        lambda trainer: float(trainer.state.progress.epoch), folder / "best.pt" if world.is_main_process else None,
        extra={}, every=1,
    )  # fmt: skip
    options = TrainOptions(epochs=epochs, clip_norm=5.0)
    hooks = [*extra, saving, best, saving]
    Trainer(state, options, device=torch.device("cpu"), world=world, hooks=hooks).fit(Loader(world))


def run_all(rank: int, size: int, rendezvous: str, root: Path) -> None:
    """Make full and half runs, one that raises, and one that resumes the checkpoint of one process."""
    torch.set_default_dtype(torch.float64)
    world = Distributed(rank=rank, world_size=size)
    if size > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size)
    folders = {name: root / f"{name} by {size}" for name in ("whole", "half", "broken", "resumed")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    train(world, folders["whole"], epochs=2)
    train(world, folders["half"], epochs=1, every_steps=1)
    with suppress(BrokenOnPurpose):
        train(world, folders["broken"], epochs=2, extra=(BreakAfter(3),))
    if size > 1:
        train(world, folders["resumed"], epochs=2, resume=root / "half by 1" / "last.pt")
        distributed.destroy_process_group()


def run_by(size: int, root: Path) -> None:
    """Run them by `size` processes."""
    multiprocessing.spawn(run_all, args=(size, str(root / "rendezvous"), root), nprocs=size)
