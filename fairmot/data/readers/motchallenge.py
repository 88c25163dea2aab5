"""MOTChallenge folders: MOT15, MOT16, MOT17, MOT20, DanceTrack, SportsMOT, and anyone's sequences in that layout.

A row trains when its box is marked. In MOT16/17/20 only pedestrians are ever marked, so a class of a file none of whose
rows is marked counts whole: whoever trains on cars gets them. MOT15's truth has no classes: a marked box is a person.
Frames are numbered by their file names (000001.jpg), or by their place in the folder where a name is not a number.
"""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.formats.motchallenge import (
    find_sequences,
    is_sequence,
    list_images,
    read_boxes,
    read_sequence_info,
    without_copies,
)
from fairmot.geometry.arrays import BoolArray, IntArray
from fairmot.structures.annotations import Annotations
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

PEDESTRIAN = 1
CLASSLESS = -1


def recognises(root: Path) -> bool:
    """Whether `root` is a sequence or a folder of them."""
    return root.is_dir() and (is_sequence(root) or any(is_sequence(path) for path in root.iterdir() if path.is_dir()))


@dataclass(frozen=True)
class MotChallengeReader:
    """One unit a sequence; boxes in pixels, classes by their number."""

    source: Source
    is_normalised: bool = False

    @property
    def image_root(self) -> Path:
        """The folder of sequences."""
        return self.source.root

    def plan(self) -> ReadPlan:
        """List the sequences, each once whatever the number of its copies; InputError where there is none."""
        folders = chosen_sequences(self.source)
        described = [folder / "seqinfo.ini" for folder in folders if (folder / "seqinfo.ini").exists()]
        truths = [folder / "gt" / "gt.txt" for folder in folders]
        return ReadPlan(
            units=tuple(folders),
            lists=tuple(described),
            files=tuple(truth for truth in truths if truth.exists()),
            folders=(self.source.root, *folders, *(_image_dir(folder) for folder in folders)),
        )

    def read(self, unit: Path) -> Annotations:
        """Read a sequence; InputError where truth or images are missing, or a person is in a frame without an image."""
        image_dir, truth = _image_dir(unit), unit / "gt" / "gt.txt"
        frames, images = _number_frames(image_dir)
        table = read_boxes(truth, "truth")
        trains = _is_trained(table)
        left_out = int((~trains).sum())
        table = table[trains]
        _require_images(truth, table, frames, image_dir)
        table = table[np.lexsort((table.ids, table.frames))]
        described = read_sequence_info(unit).image_hw if (unit / "seqinfo.ini").exists() else (0, 0)
        classes, class_of = np.unique(np.maximum(table.classes, PEDESTRIAN), return_inverse=True)
        ends = np.searchsorted(table.frames, frames, side="right")
        return Annotations(
            images=tuple(image.relative_to(self.source.root).as_posix() for image in images),
            counts=np.diff(ends, prepend=0),
            boxes_tlwh=table.boxes_tlwh.astype(np.float32),
            ids=np.maximum(table.ids, -1),
            classes=class_of.astype(np.int64),
            class_names=tuple(map(str, classes.tolist())),
            sequences=(unit.name,),
            sequence_of=np.zeros(len(frames), dtype=np.int64),
            frames=frames,
            image_hw=np.tile(np.array(described, dtype=np.int64), (len(frames), 1)),
            label_files=(str(truth),),
            lines=table.lines,
            left_out=left_out,
        )


def chosen_sequences(source: Source) -> list[Path]:
    """Return the sequence folders of a source, by name, one of each sequence's copies."""
    folders = [
        folder
        for folder in find_sequences(source.root)
        if not source.sequences or any(fnmatch(folder.name, pattern) for pattern in source.sequences)
    ]
    if not folders:
        raise InputError(f"{source.root}: no sequence is called {' or '.join(source.sequences)}")
    return without_copies(folders, source.detector)


def _image_dir(folder: Path) -> Path:
    described = (folder / "seqinfo.ini").exists()
    return folder / (read_sequence_info(folder).image_dir if described else "img1")


def _number_frames(image_dir: Path) -> tuple[IntArray, list[Path]]:
    images = list_images(image_dir)
    if not images:
        raise InputError(f"{image_dir}: no images")
    if not all(image.stem.isdecimal() for image in images):
        return np.arange(1, len(images) + 1), images
    numbers = np.array([int(image.stem) for image in images])
    order = np.argsort(numbers, kind="stable")
    frames, ordered = numbers[order], [images[place] for place in order]
    twice = np.flatnonzero(frames[1:] == frames[:-1])
    if len(twice):
        first = int(twice[0])
        raise InputError(f"{image_dir}: {ordered[first].name} and {ordered[first + 1].name} are the same frame")
    return frames, ordered


def _is_trained(table: BoxTable) -> BoolArray:
    marked = table.confidences != 0
    strict = np.union1d([PEDESTRIAN, CLASSLESS], table.classes[marked])
    return np.asarray(marked | ~np.isin(table.classes, strict))


def _require_images(truth: Path, table: BoxTable, frames: IntArray, image_dir: Path) -> None:
    lost = np.flatnonzero(~np.isin(table.frames, frames))
    if len(lost):
        row = int(lost[0])
        raise InputError(f"{truth}:{table.lines[row]}: frame {table.frames[row]} has no image in {image_dir}")
