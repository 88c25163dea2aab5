"""Public detections: boxes from files that replace the network's, or restrict where tracks start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from fairmot.commands.track.options import PublicMode
from fairmot.engine.predictor import Predictor
from fairmot.formats.motchallenge import class_numbers, is_sequence, sequence_name
from fairmot.formats.public_detections import read_public_detections
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.detections import Detections
from fairmot.structures.frame import Frame
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

OWN = "det"  # source: each sequence's own det/det.txt
UNKNOWN = -1
MIN_IOU = 0.5


@dataclass(frozen=True)
class PublicBoxes:
    """Public detections of one sequence: N boxes, by frame.

    table: rows with scores in [0, 1]; path: their file; score_rule: how the scores were normalized, for messages.
    classes: (N,) class index from 0, or UNKNOWN; num_classes: number of classes.
    """

    table: BoxTable
    classes: IntArray
    num_classes: int
    path: Path
    score_rule: str

    def rows(self, frame: int) -> slice:
        """Return the rows of a frame, by its number from 1."""
        first, end = np.searchsorted(self.table.frames, [frame, frame + 1])
        return slice(int(first), int(end))

    def __str__(self) -> str:
        frames = len(np.unique(self.table.frames))
        return f"{self.path}: {len(self.table)} boxes in {frames} frames, scores {self.score_rule}"


def find_public_file(source: str | Path, sequence_folder: Path | None, name: str) -> Path:
    """Return the file of a sequence's public detections; InputError if it does not exist.

    source: `det` for the sequence's own det/det.txt, a folder of `<name>.txt`, or one file. Write a folder called `det`
        as `./det`.
    sequence_folder: of a MOTChallenge sequence, None for other sources of frames. name: of the sequence.
    """
    path = Path(source)
    if str(source) == OWN:
        if sequence_folder is None:
            raise InputError(f"--public-detections det: {name} is no MOTChallenge sequence with det/det.txt")
        path = sequence_folder / "det" / "det.txt"
    elif path.is_dir():
        path = path / f"{name}.txt"
    try:
        exists = path.is_file()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not exists:
        raise InputError(f"{path}: no such file; expected the public detections of {name}")
    return path


def require_public_files(source: str | Path, addresses: Sequence[str]) -> None:
    """Raise InputError if a sequence has no file of public detections, or one file is given for several sequences.

    addresses: sources of frames, of `find_sources`.
    """
    if len(addresses) > 1 and Path(source).is_file() and str(source) != OWN:
        raise InputError(f"{source}: one file of public detections for {len(addresses)} sequences; give a folder")
    for address in addresses:
        folder = Path(address)
        if is_sequence(folder):
            find_public_file(source, folder, sequence_name(folder))


def read_public_boxes(
    source: str | Path, sequence_folder: Path | None, name: str, *, classes: Sequence[str] = ("pedestrian",)
) -> PublicBoxes:
    """Read the public detections of one sequence; `source`, `sequence_folder` and `name` as for `find_public_file`.

    classes: DATA.CLASSES; rows of another class are left out, those of unknown class are kept. Raises InputError with
    file and line if the file cannot be read, and if it has boxes but none of these classes.
    """
    path = find_public_file(source, sequence_folder, name)
    table, score_rule = read_public_detections(path)
    index_of = {UNKNOWN: UNKNOWN, **{number: index for index, number in enumerate(class_numbers(classes))}}
    kept = np.flatnonzero(np.isin(table.classes, list(index_of)))
    if len(table) and not len(kept):
        numbers = ", ".join(str(number) for number in np.unique(table.classes)[:8].tolist())
        raise InputError(f"{path}: no box of class {', '.join(classes)}; column 8 has {numbers}")
    kept = kept[np.argsort(table.frames[kept], kind="stable")]
    indexes = np.array([index_of[number] for number in table.classes[kept].tolist()], dtype=np.int64)
    return PublicBoxes(table[kept], indexes, len(classes), path, score_rule)


class PublicDetector:
    """Detector that uses public detections.

    Mode `replace`: the public boxes are the detections; their embeddings are read at their centers, and all may start
    tracks. Mode `initiate`: the detections are the network's, and one may start a track only if it overlaps a public
    detection. The latter is the public protocol of one-shot trackers: Tracktor (Bergmann et al. 2019) starts tracks at
    public boxes only, CenterTrack (Zhou et al. 2020) near a public center, TrackFormer (Meinhardt et al. 2022) near a
    center or at an IoU of at least 0.5, the stricter rule, which is used here.

    Raises InputError in mode `replace` with several classes if a row has no class.
    """

    def __init__(
        self, predictor: Predictor, boxes: PublicBoxes, *, mode: PublicMode = "initiate", min_iou: float = MIN_IOU
    ) -> None:
        if mode not in get_args(PublicMode):
            raise ValueError(f"mode: {mode!r}; choose from {', '.join(get_args(PublicMode))}")
        if mode == "replace" and boxes.num_classes > 1 and (boxes.classes == UNKNOWN).any():
            line = boxes.table.lines[int(np.argmax(boxes.classes == UNKNOWN))]
            raise InputError(f"{boxes.path}:{line}: no class in column 8, and there are several DATA.CLASSES")
        self._predictor, self._boxes, self._mode, self._min_iou = predictor, boxes, mode, min_iou

    def __call__(self, frame: Frame) -> tuple[Detections, BoolArray | None]:
        """Return a frame's detections and a mask (N,) of those that may start a track; None for all."""
        rows = self._boxes.rows(frame.index)
        public_xyxy = tlwh_to_xyxy(self._boxes.table.boxes_tlwh[rows])
        public_classes = self._boxes.classes[rows]
        if self._mode == "replace":
            public = Detections(
                boxes_xyxy=public_xyxy.astype(np.float32),
                scores=self._boxes.table.confidences[rows].astype(np.float32),
                embeddings=self._predictor.embed(frame.image, public_xyxy),
                classes=np.maximum(public_classes, 0),
            )
            return public, None
        own = self._predictor(frame.image)
        iou = pairwise_iou(own.boxes_xyxy.astype(np.float64), public_xyxy)
        iou[(own.class_index[:, None] != public_classes) & (public_classes != UNKNOWN)] = 0
        return own, supported_by_public(iou, own.scores, min_iou=self._min_iou)


def supported_by_public(iou: FloatArray, scores: FloatArray, *, min_iou: float) -> BoolArray:
    """Return the mask (N,) of detections that overlap a public detection; each public one supports one detection.

    Greedy, by descending score (N,): a detection takes the unused public one with the largest IoU (N, M), if that is
    at least `min_iou`.

    >>> supported_by_public(np.array([[0.6, 0.0], [0.9, 0.4]]), np.array([0.9, 0.5]), min_iou=0.5).tolist()
    [True, False]
    """
    unused = np.where(iou >= min_iou, iou, 0.0)
    supported = np.zeros(len(scores), dtype=np.bool_)
    for row in np.argsort(-scores, kind="stable"):
        if unused.shape[1] and unused[row].max() > 0:
            unused[:, int(unused[row].argmax())] = 0
            supported[row] = True
    return supported
