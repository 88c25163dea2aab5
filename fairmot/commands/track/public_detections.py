"""Public detections: a detector's boxes from files, in place of the network's own or as leave to start a track."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from fairmot.engine.predictor import Predictor
from fairmot.formats.motchallenge import class_numbers, is_sequence, sequence_name
from fairmot.formats.public_detections import read_public_detections
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.detections import Detections
from fairmot.structures.frame import Frame
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

Mode = Literal["replace", "initiate"]
OWN = "det"  # as a source: each sequence's own det/det.txt
UNKNOWN = -1
MIN_OVERLAP = 0.5


@dataclass(frozen=True)
class PublicBoxes:
    """The boxes of one sequence, N rows by frame.

    table: rows with scores in [0, 1]; path: their file; scores_are: how the scores came to [0, 1], in words.
    classes: (N,) class index from 0, UNKNOWN where the file does not tell; num_classes: how many there are.
    """

    table: BoxTable
    classes: IntArray
    num_classes: int
    path: Path
    score_rule: str

    def rows(self, frame: int) -> slice:
        """Return where the boxes of a frame are, by its number from 1."""
        first, end = np.searchsorted(self.table.frames, [frame, frame + 1])
        return slice(int(first), int(end))

    def __str__(self) -> str:
        frames = len(np.unique(self.table.frames))
        return f"{self.path}: {len(self.table)} boxes in {frames} frames, scores {self.score_rule}"


def find_public_file(source: str | Path, sequence_folder: Path | None, name: str) -> Path:
    """Return the file of a sequence's public detections; InputError where there is none.

    source: `det` for the sequence's own det/det.txt, a folder of `<name>.txt`, or one file. A folder of the name `det`
        is written `./det`.
    sequence_folder: of a MOTChallenge sequence, None for other sources of frames. name: what its result is called.
    """
    if str(source) == OWN:
        if sequence_folder is None:
            raise InputError(
                f"--public-detections det: {name} is no MOTChallenge sequence with a det/det.txt; name a file"
            )
        path = sequence_folder / "det" / "det.txt"
    else:
        path = Path(source)
        path = path / f"{name}.txt" if path.is_dir() else path
    if not is_there(path):
        raise InputError(f"{path}: no such file, where the public detections of {name} are wanted")
    return path


def is_there(path: Path) -> bool:
    """Whether a file is there; InputError where the system refuses to say."""
    try:
        return path.is_file()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def require_public_files(source: str | Path, names: Sequence[str]) -> None:
    """Raise InputError before anything is tracked where one of several sources of frames would find no file.

    names: what `find_sources` returned. One file is for one sequence: two would track the same boxes.
    """
    if len(names) > 1 and Path(source).is_file() and str(source) != OWN:
        raise InputError(f"{source}: one file of public detections for {len(names)} sequences; give a folder of files")
    for name in names:
        folder = Path(name)
        if is_sequence(folder):
            find_public_file(source, folder, sequence_name(folder))


def read_public_boxes(
    source: str | Path, sequence_folder: Path | None, name: str, *, classes: Sequence[str] = ("pedestrian",)
) -> PublicBoxes:
    """Read the public detections of one sequence; `source`, `sequence_folder` and `name` as for `find_public`.

    classes: DATA.CLASSES; rows of another class are left out, those that tell none are kept. InputError naming the file
    (and the line): what cannot be read, or holds boxes but none of these classes.
    """
    path = find_public_file(source, sequence_folder, name)
    table, scores_are = read_public_detections(path)
    index_of = {UNKNOWN: UNKNOWN, **{number: index for index, number in enumerate(class_numbers(classes))}}
    kept = np.flatnonzero(np.isin(table.classes, list(index_of)))
    if len(table) and not len(kept):
        raise InputError(f"{path}: no box of class {', '.join(classes)}; column 8 has {_listed(table.classes)}")
    kept = kept[np.argsort(table.frames[kept], kind="stable")]
    indexes = np.array([index_of[number] for number in table.classes[kept].tolist()], dtype=np.int64)
    return PublicBoxes(table[kept], indexes, len(classes), path, scores_are)


class PublicDetector:
    """From a frame to detections by a public detector's boxes, and which of them may start a track.

    mode `replace`: the public boxes are the detections, in place of the heatmap's peaks; their embeddings are read at
    their centres, and all may start. mode `initiate`: the network's own detections, of which one may start a track only
    where a public detection agrees. That is the public protocol of one-shot trackers: Tracktor (Bergmann et al., 2019)
    starts tracks at public boxes alone, CenterTrack (Zhou et al., 2020) where a public centre is near, TrackFormer
    (Meinhardt et al., 2022) by that or by an IoU of 0.5 or more, the stricter rule, which is the one here.

    Raises InputError in mode `replace` where there are several classes and a row tells none.
    """

    def __init__(
        self, predictor: Predictor, boxes: PublicBoxes, *, mode: Mode = "initiate", min_overlap: float = MIN_OVERLAP
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode: {mode!r}; choose from {', '.join(get_args(Mode))}")
        if mode == "replace" and boxes.num_classes > 1 and (boxes.classes == UNKNOWN).any():
            line = boxes.table.lines[int(np.argmax(boxes.classes == UNKNOWN))]
            raise InputError(f"{boxes.path}:{line}: no class in column 8, and there are several DATA.CLASSES")
        self._predictor = predictor
        self._boxes = boxes
        self._mode = mode
        self._min_overlap = min_overlap

    def __call__(self, frame: Frame) -> tuple[Detections, BoolArray | None]:
        """Return a frame's detections and (N,) which may start a track; None for all."""
        rows = self._boxes.rows(frame.index)
        public_xyxy = tlwh_to_xyxy(self._boxes.table.boxes_tlwh[rows])
        public_classes = self._boxes.classes[rows]
        if self._mode == "replace":
            return self._embed(frame, public_xyxy, rows), None
        own = self._predictor(frame.image)
        overlap = pairwise_iou(own.boxes_xyxy.astype(np.float64), public_xyxy)
        overlap[(own.class_index[:, None] != public_classes) & (public_classes != UNKNOWN)] = 0
        return own, supported_by_public(overlap, own.scores, at_least=self._min_overlap)

    def _embed(self, frame: Frame, boxes_xyxy: FloatArray, rows: slice) -> Detections:
        return Detections(
            boxes_xyxy=boxes_xyxy.astype(np.float32),
            scores=self._boxes.table.confidences[rows].astype(np.float32),
            embeddings=self._predictor.embed(frame.image, boxes_xyxy),
            classes=np.maximum(self._boxes.classes[rows], 0),
        )


def supported_by_public(overlap: FloatArray, scores: FloatArray, *, at_least: float) -> BoolArray:
    """Return which of N detections a public one speaks for, each public one for a single detection.

    From the highest score (N,) down, each detection takes the public one that is still free and overlaps it most,
    if their overlap (N, M) is `at_least` that much.

    >>> supported_by_public(np.array([[0.6, 0.0], [0.9, 0.4]]), np.array([0.9, 0.5]), at_least=0.5).tolist()
    [True, False]
    """
    free = np.where(overlap >= at_least, overlap, 0.0)
    agreed = np.zeros(len(scores), dtype=np.bool_)
    for row in np.argsort(-scores, kind="stable"):
        if free.shape[1] and free[row].max() > 0:
            free[:, int(free[row].argmax())] = 0
            agreed[row] = True
    return agreed


def _listed(numbers: IntArray) -> str:
    return ", ".join(str(number) for number in np.unique(numbers)[:8].tolist())
