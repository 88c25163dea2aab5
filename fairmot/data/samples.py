"""The index of training samples: which image holds which boxes, read straight from MOTChallenge truth files.

A row trains when it is a person of class 1 with a mark other than 0 (MOT15's truth has no class: the mark alone) and a
box with width and height. A frame without such a row stays in as a picture of background. Frames are numbered by their
file names (000001.jpg), or by their place in the folder where a name is not a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.identities import IdentitySpace, build_identity_space
from fairmot.formats.motchallenge import list_images, read_boxes, read_sequence_info
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

PEDESTRIAN = 1
CLASSLESS = -1


@dataclass(frozen=True)
class Sample:
    """One image and its N people: boxes (N, 4) tlwh in image pixels, identities (N,) from 0 over all sequences."""

    image_path: Path
    boxes_tlwh: FloatArray
    identities: IntArray


@dataclass(frozen=True)
class SequenceSamples:
    """F frames of a sequence with N boxes in all; frame f holds the rows offsets[f] to offsets[f + 1].

    Rows are ordered by frame, then by the sequence's own ids, whatever the file's order.
    """

    image_dir: Path
    file_names: tuple[str, ...]
    offsets: IntArray
    boxes_tlwh: FloatArray
    identities: IntArray

    def __len__(self) -> int:
        return len(self.file_names)

    def __getitem__(self, frame: int) -> Sample:
        rows = slice(self.offsets[frame], self.offsets[frame + 1])
        return Sample(self.image_dir / self.file_names[frame], self.boxes_tlwh[rows], self.identities[rows])


@dataclass(frozen=True)
class SampleIndex:
    """All training images, sequence after sequence; starts (S + 1,) first sample of each sequence, and the count."""

    sequences: tuple[SequenceSamples, ...]
    starts: IntArray
    identity_space: IdentitySpace

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sequence = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.sequences[sequence][index - int(self.starts[sequence])]

    @property
    def num_boxes(self) -> int:
        """How many boxes train."""
        return sum(len(sequence.boxes_tlwh) for sequence in self.sequences)


@dataclass(frozen=True)
class _Annotated:
    """A sequence before its identities are numbered: its frames and its sorted training rows."""

    image_dir: Path
    file_names: tuple[str, ...]
    frames: IntArray
    table: BoxTable


def index_samples(folders: Sequence[Path], *, frame_limit: int = 0) -> SampleIndex:
    """Read the truth of sequence `folders` and return the index of their images.

    frame_limit: use only the first so many frames of each sequence, and only the people seen in them; 0 = all.

    Raises InputError: no truth file, no images, a person in a frame without an image, one identity twice in a frame,
    no image at all.
    """
    annotated = [_read_sequence(folder, frame_limit) for folder in folders]
    space = build_identity_space([item.table.ids for item in annotated])
    sequences = tuple(_number(item, space, number) for number, item in enumerate(annotated))
    starts = np.cumsum([0, *(len(sequence) for sequence in sequences)])
    if not starts[-1]:
        raise InputError("DATA.TRAIN: no image to train on")
    return SampleIndex(sequences, starts, space)


def _number(item: _Annotated, space: IdentitySpace, sequence: int) -> SequenceSamples:
    ends = np.searchsorted(item.table.frames, item.frames, side="right")
    return SequenceSamples(
        image_dir=item.image_dir,
        file_names=item.file_names,
        offsets=np.concatenate([[0], ends]).astype(np.int64),
        boxes_tlwh=item.table.boxes_tlwh,
        identities=space.number(sequence, item.table.ids),
    )


def _read_sequence(folder: Path, frame_limit: int) -> _Annotated:
    described = (folder / "seqinfo.ini").exists()
    image_dir = folder / (read_sequence_info(folder).image_dir if described else "img1")
    frames, file_names = _number_frames(image_dir)
    if frame_limit:
        frames, file_names = frames[:frame_limit], file_names[:frame_limit]
    truth = folder / "gt" / "gt.txt"
    table = _trainable_rows(read_boxes(truth, "truth"))
    if frame_limit:
        table = table[table.frames <= frames[-1]]
    _require_images(truth, table, frames, image_dir)
    table = table[np.lexsort((table.ids, table.frames))]
    _refuse_duplicates(truth, table)
    return _Annotated(image_dir, file_names, frames, table)


def _number_frames(image_dir: Path) -> tuple[IntArray, tuple[str, ...]]:
    names = [path.name for path in list_images(image_dir)]
    if not names:
        raise InputError(f"{image_dir}: no images")
    stems = [Path(name).stem for name in names]
    if not all(stem.isdecimal() for stem in stems):
        return np.arange(1, len(names) + 1), tuple(names)
    numbers = np.array([int(stem) for stem in stems])
    order = np.argsort(numbers, kind="stable")
    frames, ordered = numbers[order], tuple(names[place] for place in order)
    twice = np.flatnonzero(frames[1:] == frames[:-1])
    if len(twice):
        first = int(twice[0])
        raise InputError(f"{image_dir}: {ordered[first]} and {ordered[first + 1]} are the same frame")
    return frames, ordered


def _trainable_rows(table: BoxTable) -> BoxTable:
    person = (table.classes == PEDESTRIAN) | (table.classes == CLASSLESS)
    return table[person & (table.confidences != 0) & (table.boxes_tlwh[:, 2:] > 0).all(axis=1)]


def _require_images(truth: Path, table: BoxTable, frames: IntArray, image_dir: Path) -> None:
    lost = np.flatnonzero(~np.isin(table.frames, frames))
    if len(lost):
        row = int(lost[0])
        raise InputError(f"{truth}:{table.lines[row]}: frame {table.frames[row]} has no image in {image_dir}")


def _refuse_duplicates(truth: Path, table: BoxTable) -> None:
    """`table` is sorted by frame and identity."""
    twice = np.flatnonzero((table.frames[1:] == table.frames[:-1]) & (table.ids[1:] == table.ids[:-1]))
    if len(twice):
        row = int(twice[0])
        first, second = sorted((int(table.lines[row]), int(table.lines[row + 1])))
        what = f"identity {table.ids[row]} twice in frame {table.frames[row]}"
        raise InputError(f"{truth}:{second}: {what}, first on line {first}")
