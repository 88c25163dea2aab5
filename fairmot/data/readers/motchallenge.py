"""Reader of MOTChallenge folders: MOT15, MOT16, MOT17, MOT20, DanceTrack, SportsMOT, and others in that layout.

Rows with consider flag 1 are trained on. In MOT16/17/20 only pedestrians have it, so all rows of a class that has the
flag nowhere in a file are trained on, for example cars. MOT15's ground truth has no classes: each row with the flag is
a person. Frames are numbered by their file names (000001.jpg), or by their index in the folder if one is not a number.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.readers.base import ReadPlan, Source, match_sequences
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


def matches(root: Path) -> bool:
    """Whether `root` is a sequence or a folder of them."""
    return root.is_dir() and (is_sequence(root) or any(is_sequence(path) for path in root.iterdir() if path.is_dir()))


@dataclass(frozen=True)
class MotChallengeReader:
    """One unit per sequence; boxes in pixels, classes by their number."""

    source: Source
    is_normalised: bool = False

    @property
    def image_root(self) -> Path:
        """The folder of sequences."""
        return self.source.root

    def plan(self) -> ReadPlan:
        """List the sequences, one copy of each; InputError where there is none."""
        folders = select_sequences(self.source)
        described = [folder / "seqinfo.ini" for folder in folders if (folder / "seqinfo.ini").exists()]
        ground_truth = [folder / "gt" / "gt.txt" for folder in folders]
        return ReadPlan(
            units=tuple(folders),
            lists=tuple(described),
            files=tuple(file for file in ground_truth if file.exists()),
            folders=(self.source.root, *folders, *(_image_dir(folder) for folder in folders)),
        )

    def read(self, unit: Path) -> Annotations:
        """Read a sequence; InputError: no ground truth, no images, or a person in a frame without an image."""
        image_dir, gt_file = _image_dir(unit), unit / "gt" / "gt.txt"
        frames, images = _number_frames(image_dir)
        table = read_boxes(gt_file, "ground_truth")
        is_trained = _is_trained(table)
        table = table[is_trained]
        _require_images(gt_file, table, frames, image_dir)
        table = table[np.lexsort((table.ids, table.frames))]
        image_hw = read_sequence_info(unit).image_hw if (unit / "seqinfo.ini").exists() else (0, 0)
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
            frames=frames,
            image_hw=np.tile(np.array(image_hw, dtype=np.int64), (len(frames), 1)),
            label_files=(str(gt_file),),
            lines=table.lines,
            left_out=int((~is_trained).sum()),
        )


def select_sequences(source: Source) -> list[Path]:
    """Return the sequence folders of a source, by name, one copy of each sequence."""
    folders = find_sequences(source.root)
    matching = match_sequences([folder.name for folder in folders], source.sequences, where=source.root)
    return without_copies(
        [folder for folder, is_match in zip(folders, matching, strict=True) if is_match], source.detector
    )


def _image_dir(folder: Path) -> Path:
    has_info = (folder / "seqinfo.ini").exists()
    return folder / (read_sequence_info(folder).image_dir if has_info else "img1")


def _number_frames(image_dir: Path) -> tuple[IntArray, list[Path]]:
    images = list_images(image_dir)
    if not images:
        raise InputError(f"{image_dir}: no images")
    if not all(image.stem.isdecimal() for image in images):
        return np.arange(1, len(images) + 1), images
    numbers = np.array([int(image.stem) for image in images])
    order = np.argsort(numbers, kind="stable")
    frames, ordered = numbers[order], [images[index] for index in order]
    repeated = np.flatnonzero(frames[1:] == frames[:-1])
    if len(repeated):
        first = int(repeated[0])
        raise InputError(f"{image_dir}: {ordered[first].name} and {ordered[first + 1].name} are the same frame")
    return frames, ordered


def _is_trained(table: BoxTable) -> BoolArray:
    is_considered = table.confidences != 0
    flagged_classes = np.union1d([PEDESTRIAN, CLASSLESS], table.classes[is_considered])
    return np.asarray(is_considered | ~np.isin(table.classes, flagged_classes))


def _require_images(gt_file: Path, table: BoxTable, frames: IntArray, image_dir: Path) -> None:
    missing = np.flatnonzero(~np.isin(table.frames, frames))
    if len(missing):
        row = int(missing[0])
        raise InputError(f"{gt_file}:{table.lines[row]}: frame {table.frames[row]} has no image in {image_dir}")
