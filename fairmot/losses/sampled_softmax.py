"""Softmax cross-entropy over some rows of a classifier that all processes hold together.

Legend: N embeddings of all processes, n of this one, M those whose own identity's row this process holds, D dims,
R rows of this process, K of them that count in this pass.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from fairmot.utils.distributed import Distributed, all_gather_concatenated, all_gather_stacked

CHUNK = 1 << 13  # rows whose logits are in memory at a time


class Everyone(NamedTuple):
    """The embeddings of all processes, by rank, outside the graph."""

    inputs_ND: torch.Tensor
    rows_N: torch.Tensor  # int64, of their own identities, in the whole table
    weights_N: torch.Tensor
    own: slice  # those of this process

    @classmethod
    def gather(
        cls, inputs_nD: torch.Tensor, rows_n: torch.Tensor, weights_n: torch.Tensor, world: Distributed
    ) -> "Everyone":
        """Exchange them."""
        packed = all_gather_concatenated(world, torch.cat([inputs_nD, weights_n[:, None]], dim=1))
        first = sum(map(len, packed[: world.rank]))
        inputs_ND, weights_N1 = torch.split(torch.cat(packed), [inputs_nD.shape[1], 1], dim=1)
        rows_N = torch.cat(all_gather_concatenated(world, rows_n))
        return cls(inputs_ND, rows_N, weights_N1[:, 0], slice(first, first + len(rows_n)))


class Problem(NamedTuple):
    """What a pass's softmax runs over: for each class its embeddings, against the chosen rows that are its own."""

    everyone: Everyone
    samples: Sequence[torch.Tensor]  # of each class the places of its embeddings among N
    chosen_K: torch.Tensor  # int64, rising, among R
    spans: Sequence[range]  # of each class the places of its rows among K
    rows: range  # of this process in the whole table
    world: Distributed


class SampledSoftmax(torch.autograd.Function):
    """The sum of the cross-entropies of all processes' embeddings, by weights; the same number on every process.

    Value and gradients are computed in `forward`, where all processes meet; going backward is no meeting. The logits
    exist for `CHUNK` rows at a time and are computed twice: for the softmax's denominator, and for its gradient.

    The gradient by a process's own embeddings is multiplied by the number of processes, since
    DistributedDataParallel takes the mean over the processes afterwards; those by the rows, which are sparse, are not:
    nobody else has these rows.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs_nD: torch.Tensor, weight_RD: torch.Tensor, bias_R: torch.Tensor, problem: Problem
    ) -> torch.Tensor:
        """Return the scalar; `inputs_nD` are those that `problem` holds of this process."""
        del inputs_nD
        table = _Table(weight_RD, bias_R, problem)
        normalizers_N, targets_N = table.measure()
        inputs_ND, weight_KD, bias_K = table.differentiate(normalizers_N)
        inputs_nD = problem.world.all_reduce(inputs_ND)[problem.everyone.own] * problem.world.world_size
        ctx.save_for_backward(problem.chosen_K, inputs_nD, weight_KD, bias_K)
        ctx.rows = len(weight_RD)
        return (problem.everyone.weights_N * (normalizers_N - targets_N)).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients that `forward` found."""
        chosen_K, inputs_nD, weight_KD, bias_K = ctx.saved_tensors
        weight, bias = (_scatter(chosen_K, upstream * values, ctx.rows) for values in (weight_KD, bias_K))
        return upstream * inputs_nD, weight, bias, None


class _Table:
    """This process's rows at work on a problem."""

    def __init__(self, weight_RD: torch.Tensor, bias_R: torch.Tensor, problem: Problem) -> None:
        self.weight_RD, self.bias_R, self.problem = weight_RD, bias_R, problem
        self.inputs_ND, self.weights_N = problem.everyone.inputs_ND, problem.everyone.weights_N
        rows_N = problem.everyone.rows_N - problem.rows.start
        (self.own_M,) = torch.nonzero((rows_N >= 0) & (rows_N < len(problem.rows)), as_tuple=True)
        self.targets_M = rows_N[self.own_M]

    def measure(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return, of each embedding, (N,) the logarithm of the softmax's denominator and its own identity's logit."""
        normalizers_N = torch.full_like(self.weights_N, -torch.inf)
        for samples, _, logits in self._logits():
            normalizers_N[samples] = torch.logaddexp(normalizers_N[samples], logits.logsumexp(1))
        targets_N = torch.zeros_like(self.weights_N)
        targets_N[self.own_M] = (self.inputs_ND[self.own_M] * self.weight_RD[self.targets_M]).sum(1)
        targets_N[self.own_M] += self.bias_R[self.targets_M]
        if not len(targets_N):
            return normalizers_N, targets_N
        everyone_P2N = all_gather_stacked(self.problem.world, torch.stack([normalizers_N, targets_N]))
        return everyone_P2N[:, 0].logsumexp(0), everyone_P2N[:, 1].sum(0)

    def differentiate(self, normalizers_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the sum's gradients: this process's part of those by the inputs, and those by its chosen rows."""
        inputs_ND = torch.zeros_like(self.inputs_ND)
        weight_KD = self.weight_RD.new_zeros(len(self.problem.chosen_K), self.weight_RD.shape[1])
        bias_K = weight_KD.new_zeros(len(weight_KD))
        for samples, places, logits in self._logits():
            shares = logits.sub_(normalizers_N[samples, None]).exp_().mul_(self.weights_N[samples, None])
            torch.mm(shares.T, self.inputs_ND[samples], out=weight_KD[places])
            bias_K[places] = shares.sum(0)
            inputs_ND[samples] += shares @ self.weight_RD[self.problem.chosen_K[places]]
        weights_M1 = self.weights_N[self.own_M, None]
        places_M = torch.searchsorted(self.problem.chosen_K, self.targets_M)
        weight_KD.index_add_(0, places_M, self.inputs_ND[self.own_M] * weights_M1, alpha=-1)
        bias_K.index_add_(0, places_M, weights_M1[:, 0], alpha=-1)
        inputs_ND[self.own_M] -= weights_M1 * self.weight_RD[self.targets_M]
        return inputs_ND, weight_KD, bias_K

    def _logits(self) -> Iterator[tuple[torch.Tensor, slice, torch.Tensor]]:
        """Give, chunk by chunk, embeddings of a class, places among K of rows of it, and their logits."""
        for samples, span in zip(self.problem.samples, self.problem.spans, strict=True):
            for first in range(span.start, span.stop if len(samples) else span.start, CHUNK):
                places = slice(first, min(first + CHUNK, span.stop))
                rows = self.problem.chosen_K[places]
                yield samples, places, torch.addmm(self.bias_R[rows], self.inputs_ND[samples], self.weight_RD[rows].T)


def _scatter(chosen_K: torch.Tensor, values: torch.Tensor, rows: int) -> torch.Tensor:
    """Return (K, ...) values as the sparse gradient of a table of so many rows."""
    shape = (rows, *values.shape[1:])
    return torch.sparse_coo_tensor(chosen_K[None], values, shape, is_coalesced=True, check_invariants=False)
