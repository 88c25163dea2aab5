"""How well embeddings tell identities apart: verification over all pairs of boxes.

A pair is genuine where both boxes show one identity, else an impostor's. A threshold on the cosine similarity accepts a
share of the genuine pairs (TPR) and a share of the impostors' (FAR); the score is the TPR at the lowest threshold whose
FAR is at most the one asked for. Source: Wang et al., Towards Real-Time Multi-Object Tracking, ECCV 2020, section 4.1;
Zhang et al., FairMOT, section 5: both give TPR at FAR 0.1. Their scripts interpolate between two thresholds, this does
not.

Legend: N boxes, D embedding values, R rows of a block, S similarities told apart.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fairmot.evaluation.preprocess import is_scored
from fairmot.evaluation.protocol import ScoringProtocol
from fairmot.formats.motchallenge import class_numbers
from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable

FARS = (0.1, 0.01, 0.001, 0.0001)
STEPS = 100_000  # a similarity is rounded to the nearest 1 / STEPS
BLOCK = 1024  # rows and columns of pairs at a time: working memory stays below 50 MB

Counts = npt.NDArray[np.int64]
Block = tuple[slice, slice]  # rows and columns of the matrix of all pairs
Progress = Callable[[Sequence[Block]], Iterable[Block]]


@dataclass(frozen=True)
class ReidScores:
    """The verification score of a set of boxes.

    rates: FAR -> TPR; NaN where there are no genuine pairs, or no impostors'.
    genuine, impostor: how many pairs; boxes: how many boxes; dimension: of their embeddings.
    """

    rates: Mapping[float, float]
    genuine: int
    impostor: int
    boxes: int
    dimension: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the scores by name; None for NaN, which JSON does not have.

        >>> ReidScores({0.1: 0.75, 0.01: float("nan")}, genuine=4, impostor=9, boxes=6, dimension=64).to_dict()
        {'TPR@FAR=0.1': 0.75, 'TPR@FAR=0.01': None, 'genuine': 4, 'impostor': 9, 'boxes': 6, 'dimension': 64}
        """
        rates = {f"TPR@FAR={far:g}": None if np.isnan(rate) else rate for far, rate in self.rates.items()}
        counts = {name: getattr(self, name) for name in ("genuine", "impostor", "boxes", "dimension")}
        return {**rates, **counts}


def scored_boxes(sequence: ScoredSequence, protocol: ScoringProtocol, *, classes: Sequence[str]) -> BoxTable:
    """Return the truth's rows that scoring counts, their classes numbered from 0 as in `classes`."""
    truth = sequence.truth
    kinds = np.full(len(truth), -1, dtype=np.int64)
    for kind, number in enumerate(class_numbers(classes)):
        kinds[is_scored(truth, protocol.for_class(number))] = kind
    return replace(truth, classes=kinds)[kinds >= 0]


def score_embeddings(
    embeddings: FloatArray,
    identities: IntArray,
    *,
    classes: IntArray | None = None,
    fars: Sequence[float] = FARS,
    progress: Progress = iter,
) -> ReidScores:
    """Score all pairs of N boxes, those of two classes left out.

    embeddings: (N, D) of unit length; identities: (N,) the same number for the same object, whatever its class;
    classes: (N,), all the same when not given; progress wraps the loop over a class's blocks of pairs (a progress bar).

    Similarities are rounded to 1e-5, so a threshold is that exact; counts are. Time grows with N squared, memory does
    not. Raises ValueError where shapes disagree.
    """
    require_shape("embeddings", embeddings, (None, None))
    require_shape("identities", identities, (len(embeddings),))
    kinds = np.zeros(len(embeddings), dtype=np.int64) if classes is None else classes
    require_shape("classes", kinds, (len(embeddings),))
    counts = np.zeros((2, 2 * STEPS + 1), dtype=np.int64)
    for kind in np.unique(kinds):
        own = kinds == kind
        counts += _count_pairs(embeddings[own].astype(np.float32), identities[own], progress)
    impostor, genuine = counts
    return ReidScores(
        rates={far: true_positive_rate(genuine, impostor, far=far) for far in fars},
        genuine=int(genuine.sum()),
        impostor=int(impostor.sum()),
        boxes=len(embeddings),
        dimension=embeddings.shape[1],
    )


def true_positive_rate(genuine: Counts, impostor: Counts, *, far: float) -> float:
    """Return the share of genuine pairs at and above the lowest similarity where at most `far` of the impostors' are.

    genuine, impostor: (S,) how many pairs have each similarity, in rising order. NaN where either has none.

    >>> true_positive_rate(np.array([1, 0, 3, 4]), np.array([6, 3, 1, 0]), far=0.1)
    0.875
    """
    if not genuine.sum() or not impostor.sum():
        return float("nan")
    accepted = np.append(impostor[::-1].cumsum()[::-1], 0)  # at each threshold, and above all of them
    lowest = int(np.argmax(accepted <= far * accepted[0]))
    return float(genuine[lowest:].sum() / genuine.sum())


def _count_pairs(embeddings: FloatArray, identities: IntArray, progress: Progress) -> Counts:
    """Return (2, S): how many impostors' and how many genuine pairs have each similarity from -1 to 1."""
    counts = np.zeros(2 * (2 * STEPS + 1), dtype=np.int64)
    for rows, columns in progress(_blocks(len(embeddings))):
        places = embeddings[rows] @ embeddings[columns].T
        places += 1
        places *= STEPS
        levels = np.rint(places, out=places).astype(np.int64).clip(0, 2 * STEPS)
        levels += (2 * STEPS + 1) * (identities[rows, None] == identities[None, columns])
        pairs = levels[np.triu_indices(len(levels), 1)] if rows == columns else levels.ravel()
        counts += np.bincount(pairs, minlength=len(counts))
    return counts.reshape(2, -1)


def _blocks(count: int) -> list[Block]:
    """Return the upper triangle's blocks; on the diagonal rows and columns are the same."""
    spans = [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]
    return [(rows, columns) for place, rows in enumerate(spans) for columns in spans[place:]]
