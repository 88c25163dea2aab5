"""Verification score of embeddings: true positive rate at fixed false accept rates over all pairs of boxes.

A pair is genuine where both boxes show one identity, otherwise an impostor pair. A threshold on the cosine similarity
accepts a fraction of the genuine pairs (TPR) and of the impostor pairs (FAR); the score is the TPR at the lowest
threshold with at most the given FAR. Source: Wang et al., Towards Real-Time Multi-Object Tracking, ECCV 2020, section
4.1; Zhang et al., FairMOT, section 5: both report TPR at FAR 0.1. Their scripts interpolate between thresholds.

Legend: N boxes, D embedding values, S similarity bins.
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
STEPS = 100_000  # similarities are rounded to the nearest 1 / STEPS
BLOCK = 1024  # rows and columns of pairs per block: working memory stays below 50 MB

Counts = npt.NDArray[np.int64]
Block = tuple[slice, slice]  # rows and columns of the similarity matrix
Progress = Callable[[Sequence[Block]], Iterable[Block]]


@dataclass(frozen=True)
class ReidScores:
    """Verification score of a set of boxes.

    rates: FAR -> TPR; NaN without genuine or without impostor pairs.
    genuine, impostor: numbers of pairs; boxes: number of boxes; dimension: of the embeddings.
    """

    rates: Mapping[float, float]
    genuine: int
    impostor: int
    boxes: int
    dimension: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the scores by name, None for NaN.

        >>> ReidScores({0.1: 0.75, 0.01: float("nan")}, genuine=4, impostor=9, boxes=6, dimension=64).to_dict()
        {'TPR@FAR=0.1': 0.75, 'TPR@FAR=0.01': None, 'genuine': 4, 'impostor': 9, 'boxes': 6, 'dimension': 64}
        """
        rates = {f"TPR@FAR={far:g}": None if np.isnan(rate) else rate for far, rate in self.rates.items()}
        counts = {name: getattr(self, name) for name in ("genuine", "impostor", "boxes", "dimension")}
        return {**rates, **counts}


def scored_boxes(sequence: ScoredSequence, protocol: ScoringProtocol, *, classes: Sequence[str]) -> BoxTable:
    """Return the scored rows of the ground truth, with class indices from 0 in `classes`."""
    indices = np.full(len(sequence.ground_truth), -1, dtype=np.int64)
    for index, number in enumerate(class_numbers(classes)):
        indices[is_scored(sequence.ground_truth, protocol.for_class(number))] = index
    return replace(sequence.ground_truth, classes=indices)[indices >= 0]


def score_embeddings(
    embeddings: FloatArray,
    identities: IntArray,
    *,
    classes: IntArray | None = None,
    fars: Sequence[float] = FARS,
    progress: Progress = iter,
) -> ReidScores:
    """Score all pairs of N boxes of one class.

    embeddings: (N, D) of unit length; identities: (N,) equal for the same object, regardless of class; classes: (N,),
    default one class; progress wraps the loop over a class's blocks of pairs (a progress bar).

    Similarities are rounded to 1e-5. Time grows with N squared, memory is constant. Raises ValueError where shapes
    disagree.
    """
    require_shape("embeddings", embeddings, (None, None))
    require_shape("identities", identities, (len(embeddings),))
    if classes is None:
        classes = np.zeros(len(embeddings), dtype=np.int64)
    require_shape("classes", classes, (len(embeddings),))
    counts = np.zeros((2, 2 * STEPS + 1), dtype=np.int64)
    for index in np.unique(classes):
        members = classes == index
        counts += _count_pairs(embeddings[members].astype(np.float32), identities[members], progress)
    impostor, genuine = counts
    return ReidScores(
        rates={far: true_positive_rate(genuine, impostor, far=far) for far in fars},
        genuine=int(genuine.sum()),
        impostor=int(impostor.sum()),
        boxes=len(embeddings),
        dimension=embeddings.shape[1],
    )


def true_positive_rate(genuine: Counts, impostor: Counts, *, far: float) -> float:
    """Return the fraction of genuine pairs at and above the lowest similarity with a false accept rate up to `far`.

    genuine, impostor: (S,) numbers of pairs by ascending similarity. NaN where either has none.

    >>> true_positive_rate(np.array([1, 0, 3, 4]), np.array([6, 3, 1, 0]), far=0.1)
    0.875
    """
    if not genuine.sum() or not impostor.sum():
        return float("nan")
    accepted = np.append(impostor[::-1].cumsum()[::-1], 0)  # at each threshold, and above all of them
    lowest = int(np.argmax(accepted <= far * accepted[0]))
    return float(genuine[lowest:].sum() / genuine.sum())


def _count_pairs(embeddings: FloatArray, identities: IntArray, progress: Progress) -> Counts:
    """Return (2, S) numbers of impostor and genuine pairs by similarity from -1 to 1."""
    counts = np.zeros(2 * (2 * STEPS + 1), dtype=np.int64)
    spans = [slice(start, start + BLOCK) for start in range(0, len(embeddings), BLOCK)]
    blocks = [(rows, columns) for index, rows in enumerate(spans) for columns in spans[index:]]  # upper triangle
    for rows, columns in progress(blocks):
        similarities = embeddings[rows] @ embeddings[columns].T
        similarities += 1
        similarities *= STEPS
        bins = np.rint(similarities, out=similarities).astype(np.int64).clip(0, 2 * STEPS)
        bins += (2 * STEPS + 1) * (identities[rows, None] == identities[None, columns])
        pairs = bins[np.triu_indices(len(bins), 1)] if rows == columns else bins.ravel()
        counts += np.bincount(pairs, minlength=len(counts))
    return counts.reshape(2, -1)
