"""Partial FC: identity classification with a sampled softmax and a classifier sharded over the ranks.

Legend: N embeddings of all ranks, n of this rank, D dimensions, R rows of this rank, K sampled rows, C classes.
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
from fairmot.losses.identity import embedding_scale, identity_counts
from fairmot.losses.sampled_softmax import SampledSoftmax, SoftmaxSample
from fairmot.structures.outputs import EmbeddingSamples
from fairmot.utils.distributed import Distributed, all_gather_concatenated, shard_range
from fairmot.utils.seed import make_rng

FILL = 1 << 20  # values drawn at a time
WEIGHT, BIAS, DRAWS = 1, 2, 3  # streams of the random generator


class PartialFCLoss(nn.Module):
    """`IdentityLoss` with a softmax over a sample of the identities and a classifier sharded over the ranks.

    num_identities: of the only class, or of each; rate: fraction of each class's identities in the sample, 0 to 1. It
    contains all identities of the embeddings (positives), and each other one with equal probability, so that the
    expected number is that of the rate, or of the positives where they are more. At rate 1 the loss is `IdentityLoss`.
    seed: of initial weights and samples, which do not depend on the number of ranks.

    `classifier` contains this rank's rows (`shard_range`) of one table of all classes, with the attribute `is_sharded`
    and sparse gradients of the sampled rows. All ranks must call the loss together; it returns on each the sum over all
    their objects, divided by `known` and by the number of ranks, so that the mean over the ranks is that of the step.
    Source: An et al., Partial FC: Training 10 Million Identities on a Single Machine, ICCV Workshops 2021 (sampling and
    sharding); Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial FC,
    CVPR 2022.
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
        self.counts = identity_counts(num_identities)
        self.scales = tuple(map(embedding_scale, self.counts))
        self.rate = rate
        self.seed = seed
        self.world = world or Distributed()
        self.bounds = np.cumsum([0, *self.counts])
        self.rows = shard_range(self.world, sum(self.counts))
        weight_RD, bias_R = torch.empty(len(self.rows), reid_dim), torch.empty(len(self.rows))
        for values, stream in ((weight_RD, WEIGHT), (bias_R, BIAS)):
            self._initialize(values, stream)
        self.classifier = nn.ParameterDict({"weight": weight_RD, "bias": bias_R})
        for parameter in self.classifier.values():
            parameter.is_sharded = True
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings of this rank and their identities -> scalar; known: objects of known identity in the step."""
        unit_nD = functional.normalize(samples.embeddings_ND, dim=1)
        scaled_nD = unit_nD.new_tensor(self.scales)[samples.classes_N, None] * unit_nD
        firsts_C = torch.as_tensor(self.bounds[:-1], device=scaled_nD.device)
        rows_n = samples.identities_N + firsts_C[samples.classes_N]
        weights_n = scaled_nD.new_ones(len(rows_n)) if samples.weights_N is None else samples.weights_N.to(scaled_nD)
        sample = self._draw_sample(torch.cat([scaled_nD.detach(), weights_n[:, None]], dim=1), rows_n)
        weight_RD, bias_R = self.classifier["weight"], self.classifier["bias"]
        total: torch.Tensor = SampledSoftmax.apply(scaled_nD, weight_RD, bias_R, sample)
        return total / known.clamp(min=1) / self.world.world_size

    def _draw_sample(self, weighted_nD1: torch.Tensor, rows_n: torch.Tensor) -> SoftmaxSample:
        """Gather the embeddings of all ranks, draw the rows, and separate both by class.

        weighted_nD1: embeddings, then their weights; rows_n: rows of their identities in the full table.
        """
        shards, device = all_gather_concatenated(self.world, weighted_nD1), weighted_nD1.device
        first = sum(map(len, shards[: self.world.rank]))
        inputs_ND, weights_N1 = torch.split(torch.cat(shards), [self.reid_dim, 1], dim=1)
        targets_N = torch.cat(all_gather_concatenated(self.world, rows_n))
        rows_N = targets_N.cpu().numpy()
        chosen_K = self.draw(np.unique(rows_N))
        kinds_N = np.searchsorted(self.bounds, rows_N, side="right") - 1
        kinds, edges = range(len(self.counts)), np.searchsorted(chosen_K + self.rows.start, self.bounds).tolist()
        return SoftmaxSample(
            inputs_ND=inputs_ND,
            weights_N=weights_N1[:, 0],
            targets_N=targets_N - self.rows.start,
            own=slice(first, first + len(rows_n)),
            class_samples=[torch.as_tensor(np.flatnonzero(kinds_N == k), device=device) for k in kinds],
            chosen_K=torch.as_tensor(chosen_K, device=device),
            class_rows=[range(start, stop) for start, stop in pairwise(edges)],
            world=self.world,
        )

    def draw(self, positives: IntArray) -> IntArray:
        """Return the (K,) increasing indices of this rank's rows in the next sample.

        positives: (P,) rows of the embeddings' identities in the full table; they are always in the sample.
        """
        draws = self.get_buffer("draws")
        drawn_R = _generator(self.rows.start, self.seed, self.reid_dim, int(draws), DRAWS).random(len(self.rows))
        draws += 1
        for first, last in pairwise(self.bounds):
            own = slice(*np.clip([first - self.rows.start, last - self.rows.start], 0, len(self.rows)))
            count = int(np.searchsorted(positives, last) - np.searchsorted(positives, first))
            drawn_R[own] -= (self.rate * (last - first) - count) / max(1, last - first - count)
        own_P = positives[(positives >= self.rows.start) & (positives < self.rows.stop)] - self.rows.start
        drawn_R[own_P] = -1.0
        return np.flatnonzero(drawn_R < 0)

    def _initialize(self, values: torch.Tensor, stream: int) -> None:
        """Draw this rank's rows of the table, uniformly within 1 / sqrt(D) as `nn.Linear` does."""
        flat, width = values.view(-1), math.prod(values.shape[1:])
        rng = _generator(self.rows.start * width, self.seed, self.reid_dim, 0, stream)
        bound = self.reid_dim**-0.5
        for first in range(0, len(flat), FILL):
            part = flat[first : first + FILL]
            part.copy_(torch.from_numpy(rng.uniform(-bound, bound, len(part))))


def _generator(skipped: int, *keys: int) -> np.random.Generator:
    """Return `make_rng(*keys)` after the first `skipped` floats."""
    rng = make_rng(*keys)
    cast(np.random.PCG64, rng.bit_generator).advance(skipped)
    return rng
