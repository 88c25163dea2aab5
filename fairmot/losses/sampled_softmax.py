"""Softmax cross-entropy over sampled rows of a classifier that is sharded over the ranks.

Legend: N embeddings of all ranks, n of this rank, M embeddings whose identity's row is on this rank, D dimensions,
R rows of this rank, K of them in the sample.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from fairmot.utils.distributed import Distributed, all_gather_stacked

CHUNK = 1 << 13  # rows whose logits are in memory at a time


class SoftmaxSample(NamedTuple):
    """Embeddings of all ranks and sampled rows of this one; the softmax of each class runs over its own."""

    inputs_ND: torch.Tensor  # detached, in the order of ranks
    weights_N: torch.Tensor
    targets_N: torch.Tensor  # int64, rows of the true identities relative to the first row of this rank
    own: slice  # embeddings of this rank among N
    class_samples: Sequence[torch.Tensor]  # of each class the indices of its embeddings among N
    chosen_K: torch.Tensor  # int64, increasing, among R
    class_rows: Sequence[range]  # of each class the range of its rows among K
    world: Distributed


class SampledSoftmax(torch.autograd.Function):
    """Weighted sum of the cross-entropies of all ranks' embeddings; the same value on every rank.

    Value and gradients are computed in `forward`, so that `backward` has no collective. Logits exist for `CHUNK` rows
    at a time and are computed twice: for the softmax's denominator and for its gradient.

    The gradient of a rank's embeddings is multiplied by the number of ranks, since DistributedDataParallel averages
    over the ranks afterwards; the sparse gradients of the rows are not, since each row is on one rank only.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs_nD: torch.Tensor, weight_RD: torch.Tensor, bias_R: torch.Tensor, sample: SoftmaxSample
    ) -> torch.Tensor:
        """Return the scalar; `inputs_nD` are this rank's embeddings of `sample`."""
        del inputs_nD
        shard = _ClassifierShard(weight_RD, bias_R, sample)
        normalizers_N, targets_N = shard.measure()
        inputs_ND, weight_KD, bias_K = shard.differentiate(normalizers_N)
        inputs_nD = sample.world.all_reduce(inputs_ND)[sample.own] * sample.world.world_size
        ctx.save_for_backward(sample.chosen_K, inputs_nD, weight_KD, bias_K)
        ctx.rows = len(weight_RD)
        return (sample.weights_N * (normalizers_N - targets_N)).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients computed by `forward`."""
        chosen_K, inputs_nD, weight_KD, bias_K = ctx.saved_tensors
        make = partial(torch.sparse_coo_tensor, chosen_K[None], is_coalesced=True, check_invariants=False)
        weight, bias = (make(upstream * values, (ctx.rows, *values.shape[1:])) for values in (weight_KD, bias_K))
        return upstream * inputs_nD, weight, bias, None


class _ClassifierShard:
    """Logits of this rank's rows for a sample, and their gradients."""

    def __init__(self, weight_RD: torch.Tensor, bias_R: torch.Tensor, sample: SoftmaxSample) -> None:
        self.weight_RD, self.bias_R, self.sample = weight_RD, bias_R, sample
        self.inputs_ND, self.weights_N = sample.inputs_ND, sample.weights_N
        is_here_N = (sample.targets_N >= 0) & (sample.targets_N < len(weight_RD))
        (self.own_M,) = torch.nonzero(is_here_N, as_tuple=True)
        self.targets_M = sample.targets_N[self.own_M]

    def measure(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (N,) log denominators of the softmax and (N,) logits of the true identities, over all ranks."""
        normalizers_N = torch.full_like(self.weights_N, -torch.inf)
        for samples, _, logits in self._logits():
            normalizers_N[samples] = torch.logaddexp(normalizers_N[samples], logits.logsumexp(1))
        targets_N = torch.zeros_like(self.weights_N)
        targets_N[self.own_M] = (self.inputs_ND[self.own_M] * self.weight_RD[self.targets_M]).sum(1)
        targets_N[self.own_M] += self.bias_R[self.targets_M]
        if not len(targets_N):
            return normalizers_N, targets_N
        ranks_P2N = all_gather_stacked(self.sample.world, torch.stack([normalizers_N, targets_N]))
        return ranks_P2N[:, 0].logsumexp(0), ranks_P2N[:, 1].sum(0)

    def differentiate(self, normalizers_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the gradients of the inputs (this rank's part), and of the sampled rows' weights and biases."""
        inputs_ND = torch.zeros_like(self.inputs_ND)
        weight_KD = self.weight_RD.new_zeros(len(self.sample.chosen_K), self.weight_RD.shape[1])
        bias_K = weight_KD.new_zeros(len(weight_KD))
        for samples, rows, logits in self._logits():
            probabilities = logits.sub_(normalizers_N[samples, None]).exp_().mul_(self.weights_N[samples, None])
            torch.mm(probabilities.T, self.inputs_ND[samples], out=weight_KD[rows])
            bias_K[rows] = probabilities.sum(0)
            inputs_ND[samples] += probabilities @ self.weight_RD[self.sample.chosen_K[rows]]
        weights_M1 = self.weights_N[self.own_M, None]
        index_M = torch.searchsorted(self.sample.chosen_K, self.targets_M)
        weight_KD.index_add_(0, index_M, self.inputs_ND[self.own_M] * weights_M1, alpha=-1)
        bias_K.index_add_(0, index_M, weights_M1[:, 0], alpha=-1)
        inputs_ND[self.own_M] -= weights_M1 * self.weight_RD[self.targets_M]
        return inputs_ND, weight_KD, bias_K

    def _logits(self) -> Iterator[tuple[torch.Tensor, slice, torch.Tensor]]:
        """Yield embeddings of a class, a chunk of its rows among K, and their logits."""
        for samples, span in zip(self.sample.class_samples, self.sample.class_rows, strict=True):
            for first in range(span.start, span.stop if len(samples) else span.start, CHUNK):
                rows = slice(first, min(first + CHUNK, span.stop))
                index = self.sample.chosen_K[rows]
                yield samples, rows, torch.addmm(self.bias_R[index], self.inputs_ND[samples], self.weight_RD[index].T)
