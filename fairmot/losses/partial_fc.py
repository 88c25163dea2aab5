"""Re-ID as classification among more identities than one process, or one step, should hold.

Legend: N embeddings, n those of this process, D dims, R rows of this process, K of them that count in a pass,
C classes.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fairmot.geometry.arrays import IntArray
from fairmot.losses.identity import at_least_one, embedding_scale
from fairmot.losses.sampled_softmax import Everyone, Problem, SampledSoftmax
from fairmot.structures.outputs import EmbeddingSamples
from fairmot.utils.distributed import Distributed, shard_range
from fairmot.utils.seed import make_rng

FILL = 1 << 20  # values that are drawn at a time
WEIGHT, BIAS, DRAWS = 1, 2, 3  # what a generator draws


class PartialIdentityLoss(nn.Module):
    """`IdentityLoss`, its softmax over a sample of the identities, its classifier's rows split over the processes.

    num_identities: of the one class, or of each; rate: the share of each class's identities that a pass's softmax runs
    over, 0 to 1: all that the embeddings of all processes have, and each other one with one probability, so that the
    expected number is the rate's (more where the embeddings alone have more). At rate 1 the loss is `IdentityLoss`.
    seed: what the classifier starts from and the samples drawn, with the passes so far, depend on; the number of
    processes has no say in either.

    `classifier` holds this process's run of rows (`shard_range`) of one table, the classes one after another: each
    parameter is marked `is_sharded`, with a sparse gradient: the rows of the sample. All processes must call the loss
    together. It equals, for all of them, the sum over all their objects of known identity, divided by `known` and by
    the number of processes: the mean of the processes' losses, as of every other loss, is then the whole step's.
    Source: An et al., Partial FC: Training 10 Million Identities on a Single Machine, ICCV Workshops 2021 (the sample
    and the split); Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial
    FC, CVPR 2022.
    """

    def __init__(
        self,
        reid_dim: int,
        num_identities: int | Sequence[int],
        *,
        rate: float = 0.1,
        seed: int = 0,
        world: Distributed | None = None,
    ) -> None:
        super().__init__()
        self.reid_dim = reid_dim
        self.counts = at_least_one(num_identities)
        self.scales = tuple(map(embedding_scale, self.counts))
        self.rate = rate
        self.seed = seed
        self.world = world or Distributed()
        self.bounds = np.cumsum([0, *self.counts])
        self.rows = shard_range(self.world, sum(self.counts))
        weight_RD, bias_R = torch.empty(len(self.rows), reid_dim), torch.empty(len(self.rows))
        for values, what in ((weight_RD, WEIGHT), (bias_R, BIAS)):
            self._fill(values, what)
        self.classifier = nn.ParameterDict({"weight": weight_RD, "bias": bias_R})
        for parameter in self.classifier.values():
            parameter.is_sharded = True
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings of this process and their identities -> scalar; known: the whole step's objects."""
        unit_nD = functional.normalize(samples.embeddings_ND, dim=1)
        scaled_nD = unit_nD.new_tensor(self.scales)[samples.classes_N, None] * unit_nD
        firsts_C = torch.as_tensor(self.bounds[:-1], device=scaled_nD.device)
        rows_n = samples.identities_N + firsts_C[samples.classes_N]
        weights_n = scaled_nD.new_ones(len(rows_n)) if samples.weights_N is None else samples.weights_N.to(scaled_nD)
        everyone = Everyone.gather(scaled_nD.detach(), rows_n, weights_n, self.world)
        weight_RD, bias_R = self.classifier["weight"], self.classifier["bias"]
        total: torch.Tensor = SampledSoftmax.apply(scaled_nD, weight_RD, bias_R, self._pose(everyone))
        return total / known.clamp(min=1) / self.world.world_size

    def _pose(self, everyone: Everyone) -> Problem:
        """Draw the sample and tell the classes apart."""
        device, rows_N = everyone.rows_N.device, everyone.rows_N.cpu().numpy()
        chosen_K = self.draw(np.unique(rows_N))
        kinds_N = np.searchsorted(self.bounds, rows_N, side="right") - 1
        samples = [torch.as_tensor(np.flatnonzero(kinds_N == kind), device=device) for kind in range(len(self.counts))]
        edges = np.searchsorted(chosen_K + self.rows.start, self.bounds).tolist()
        spans = [range(first, last) for first, last in pairwise(edges)]
        return Problem(everyone, samples, torch.as_tensor(chosen_K, device=device), spans, self.rows, self.world)

    def draw(self, positives: IntArray) -> IntArray:
        """Return (K,) rising places of those of this process's rows that count in this pass.

        positives: (P,) the rows, in the whole table, that the embeddings have; they always count.
        """
        draws = self.get_buffer("draws")
        drawn_R = _generator(self.rows.start, self.seed, self.reid_dim, int(draws), DRAWS).random(len(self.rows))
        draws += 1
        for first, last in pairwise(self.bounds):
            own = slice(*np.clip([first - self.rows.start, last - self.rows.start], 0, len(self.rows)))
            held = int(np.searchsorted(positives, last) - np.searchsorted(positives, first))
            drawn_R[own] -= (self.rate * (last - first) - held) / max(1, last - first - held)
        own_P = positives[(positives >= self.rows.start) & (positives < self.rows.stop)] - self.rows.start
        drawn_R[own_P] = -1.0
        return np.flatnonzero(drawn_R < 0)

    def _fill(self, values: torch.Tensor, what: int) -> None:
        """Draw this process's rows as `nn.Linear` does, uniformly within 1 / sqrt(D), and as any other split would."""
        flat, width = values.view(-1), math.prod(values.shape[1:])
        rng = _generator(self.rows.start * width, self.seed, self.reid_dim, 0, what)
        bound = self.reid_dim**-0.5
        for first in range(0, len(flat), FILL):
            part = flat[first : first + FILL]
            part.copy_(torch.from_numpy(rng.uniform(-bound, bound, len(part))))


def _generator(skipped: int, *keys: int) -> np.random.Generator:
    """Return `make_rng(*keys)` as it is after so many floats."""
    rng = make_rng(*keys)
    cast(np.random.PCG64, rng.bit_generator).advance(skipped)
    return rng
