"""How a corrected copy is written in each layout: lines left out, the others as they are."""

import csv
import re
from dataclasses import replace
from pathlib import Path

from fairmot.data.inspection.findings import LABELS
from fairmot.data.inspection.image_checks import Surveyed
from fairmot.data.inspection.lenient_reading import read_leniently
from fairmot.data.inspection.repair import Repair, copy_lines, kept_images, lines_by_file, link_images, write_as_is
from fairmot.data.inspection.repair_json import write_coco_copy, write_odgt_copy
from fairmot.data.readers import jde, yolo
from fairmot.data.readers.base import Reader
from fairmot.data.readers.coco import COCOReader
from fairmot.data.readers.crowdhuman import CrowdHumanReader
from fairmot.data.readers.csv_table import CSVReader
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.readers.paths import IMAGE_SUFFIXES
from fairmot.data.readers.text_labels import label_folder
from fairmot.formats.motchallenge import read_sequence_info, write_sequence_info
from fairmot.structures.sequence import SequenceInfo
from fairmot.utils.errors import InputError

FRAME_RATE = 30.0  # where nobody says
ROUNDS = 200  # rows that cannot be read in one file


def write_copy(reader: Reader, one: Surveyed, repair: Repair, target: Path) -> None:
    """Write a corrected copy of a data set below `target`, which then stands for the reader's `image_root`.

    Raises InputError where the layout wants images inside the data set's folder, and some are not.
    """
    if isinstance(reader, MotChallengeReader):
        _write_sequences(reader, one, repair, target)
    elif isinstance(reader, CrowdHumanReader):
        write_odgt_copy(reader, one, repair, target)
    elif isinstance(reader, COCOReader):
        write_coco_copy(reader, one, repair, target)
    elif isinstance(reader, CSVReader):
        _write_table(reader, one, repair, target)
    else:
        _write_text_labels(reader, one, repair, target)
        return
    names = [one.raw.images[image] for image in kept_images(one, repair)]
    link_images(names, one.raw.image_root, target)


def leave_out_unreadable(reader: Reader) -> None:
    """Take rows that cannot be read out of a copy's label files, until all can be; of each image one row at a time."""
    for _ in range(ROUNDS):
        lines: dict[str, set[int]] = {}
        for finding in read_leniently(reader, reader.plan().units).findings:
            file, _, line = finding.where.rpartition(":")
            if finding.check == LABELS and line.isdecimal():
                lines.setdefault(file, set()).add(int(line))
        for file, wrong in lines.items():
            copy_lines(Path(file), Path(file), wrong)
        if not lines:
            return


def _write_sequences(reader: MotChallengeReader, one: Surveyed, repair: Repair, target: Path) -> None:
    lines = lines_by_file(one, repair)
    inside: dict[str, list[int]] = {}
    for image in range(len(one.raw)):
        inside.setdefault(one.raw.label_file(image), []).append(image)
    for folder in reader.plan().units:
        truth = folder / "gt" / "gt.txt"
        if str(truth) in inside:
            copy = target / folder.relative_to(reader.image_root)
            copy_lines(truth, copy / "gt" / "gt.txt", lines.get(str(truth), set()))
            kept = [image for image in inside[str(truth)] if image not in repair.images]
            write_sequence_info(_true_info(one, kept, folder, copy))


def _true_info(one: Surveyed, kept: list[int], folder: Path, copy: Path) -> SequenceInfo:
    """Return what seqinfo.ini should say: size and number of the images that stay."""
    if (folder / "seqinfo.ini").exists():
        given = read_sequence_info(folder)
    else:
        suffix = Path(one.raw.images[kept[0]]).suffix if kept else ".jpg"
        given = SequenceInfo(folder.name, folder, FRAME_RATE, 0, (0, 0), image_extension=suffix)
    sizes = one.survey.hw[kept]
    sizes = sizes[(sizes > 0).all(axis=1)]
    image_hw = (int(sizes[0, 0]), int(sizes[0, 1])) if len(sizes) else given.image_hw
    return replace(given, root=copy, length=len(kept), image_hw=image_hw)


def _write_text_labels(reader: Reader, one: Surveyed, repair: Repair, target: Path) -> None:
    """JDE and YOLO: a label file an image, lists of images, names of classes.

    Images whose labels cannot be read, which `one` lacks, go along: their rows are mended afterwards.
    """
    root, plan = reader.image_root, reader.plan()
    listed = [name for unit in plan.units for name in unit.images]
    if any(name.startswith("/") for name in listed):
        raise InputError(f"--fix: {one.raw.name}: images lie outside {root}; a copy of the labels would not find them")
    lines = lines_by_file(one, repair)
    gone = {one.raw.images[image] for image in one.survey.problems}
    kept = dict.fromkeys(name for name in listed if name not in gone)
    for name in kept:
        file = _label_file(root / name, yolo.LABELS if isinstance(reader, yolo.YOLOReader) else jde.LABELS)
        if file.is_file():
            copy_lines(file, target / file.relative_to(root), lines.get(str(file), set()))
    for listing in plan.lists:
        _copy_list(listing, target / listing.relative_to(root), set(kept), root)
    link_images(kept, root, target)


def _label_file(image: Path, folder_name: str) -> Path:
    folder = label_folder(str(image.parent), folder_name)
    return (Path(folder) if folder else image.parent) / f"{image.stem}.txt"


def _copy_list(source: Path, target: Path, kept: set[str], root: Path) -> None:
    """Copy a list without the images that do not stay, each once; a YAML file without the place that it is tied to."""
    text = source.read_text(encoding="utf-8-sig")
    if source.suffix in (".yaml", ".yml"):
        write_as_is(target, re.sub(r"(?m)^path:[ \t]*['\"]?/.*$\n?", "", text))
        return
    left = set(kept)
    lines = []
    for line in text.splitlines():
        name = line.strip().removeprefix("./")
        is_image = name.lower().endswith(IMAGE_SUFFIXES)
        places = {name, (source.parent / name).relative_to(root).as_posix()} & left if is_image else set()
        left -= places
        lines += [line] if places or not is_image else []
    write_as_is(target, "\n".join(lines) + "\n")


def _write_table(reader: CSVReader, one: Surveyed, repair: Repair, target: Path) -> None:
    file = reader.plan().units[0]
    wrong = lines_by_file(one, repair).get(str(file), set())
    dropped = {one.raw.images[image] for image in repair.images}
    text = file.read_text(encoding="utf-8-sig")
    header = text.splitlines()[0] if text else ""
    mark = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=mark))]
    column = next(place for place, name in enumerate(names) if name in ("image", "filename", "file_name"))
    for number, line in enumerate(text.splitlines()[1:], 2):
        fields = next(csv.reader([line], delimiter=mark), [])
        if len(fields) > column and any(name.endswith(fields[column].strip()) for name in dropped):
            wrong.add(number)
    copy_lines(file, target / file.relative_to(reader.image_root), wrong)
