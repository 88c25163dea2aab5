"""Corrected copy of a data set in each layout: labels without the rows of a `Repair`, and links to the images."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fairmot.data.inspection.findings import Check
from fairmot.data.inspection.image_checks import InspectedDataset
from fairmot.data.inspection.lenient_reading import read_leniently
from fairmot.data.inspection.repair import Repair, kept_images, lines_by_file
from fairmot.data.readers import jde, yolo
from fairmot.data.readers.base import Reader
from fairmot.data.readers.coco import COCOReader
from fairmot.data.readers.crowdhuman import CrowdHumanReader, OdgtUnit
from fairmot.data.readers.csv_table import CSVReader
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.readers.paths import IMAGE_SUFFIXES
from fairmot.data.readers.text_labels import label_folder
from fairmot.formats.crowdhuman import BOX_KEYS
from fairmot.formats.motchallenge import read_sequence_info, write_sequence_info
from fairmot.structures.sequence import SequenceInfo
from fairmot.utils.errors import InputError

DEFAULT_FRAME_RATE = 30.0  # of sequences without seqinfo.ini
MAX_ROUNDS = 200  # unreadable rows of one image that can be left out

Box = tuple[float, ...]


def write_copy(reader: Reader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    """Write a corrected copy of a data set to `target`, which corresponds to the reader's `image_root`.

    Raises InputError where the layout requires images inside the data set's folder, and some are not.
    """
    if isinstance(reader, MotChallengeReader):
        _write_sequences(reader, dataset, repair, target)
    elif isinstance(reader, CrowdHumanReader):
        _write_odgt(reader, dataset, repair, target)
    elif isinstance(reader, COCOReader):
        _write_coco(reader, dataset, repair, target)
    elif isinstance(reader, CSVReader):
        _write_csv(reader, dataset, repair, target)
    else:
        _write_text_labels(reader, dataset, repair, target)
        return
    raw = dataset.raw
    _link_images([raw.labels.images[image] for image in kept_images(dataset, repair)], raw.image_root, target)


def drop_unreadable_rows(reader: Reader) -> None:
    """Remove unreadable rows from a copy's label files, one row of each image at a time, until all can be read."""
    for _ in range(MAX_ROUNDS):
        lines: dict[str, set[int]] = {}
        for finding in read_leniently(reader, reader.plan().units).findings:
            file, _, line = finding.where.rpartition(":")
            if finding.check == Check.UNREADABLE and line.isdecimal():
                lines.setdefault(file, set()).add(int(line))
        for file, dropped in lines.items():
            _copy_lines(Path(file), Path(file), dropped)
        if not lines:
            return


def _write_sequences(reader: MotChallengeReader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    lines, labels = lines_by_file(dataset, repair), dataset.raw.labels
    images_of: dict[str, list[int]] = {}
    for image in range(len(dataset.raw)):
        images_of.setdefault(labels.label_file(image), []).append(image)
    for folder in reader.plan().units:
        gt_file = folder / "gt" / "gt.txt"
        if str(gt_file) in images_of:
            copy = target / folder.relative_to(reader.image_root)
            _copy_lines(gt_file, copy / "gt" / "gt.txt", lines.get(str(gt_file), set()))
            kept = [image for image in images_of[str(gt_file)] if image not in repair.images]
            write_sequence_info(_corrected_info(dataset, kept, folder, copy))


def _corrected_info(dataset: InspectedDataset, kept: list[int], folder: Path, copy: Path) -> SequenceInfo:
    """Return seqinfo.ini with true length and image size."""
    if (folder / "seqinfo.ini").exists():
        info = read_sequence_info(folder)
    else:
        suffix = Path(dataset.raw.labels.images[kept[0]]).suffix if kept else ".jpg"
        info = SequenceInfo(folder.name, folder, DEFAULT_FRAME_RATE, 0, (0, 0), image_extension=suffix)
    sizes = dataset.survey.hw[kept]
    sizes = sizes[(sizes > 0).all(axis=1)]
    image_hw = (int(sizes[0, 0]), int(sizes[0, 1])) if len(sizes) else info.image_hw
    return replace(info, root=copy, length=len(kept), image_hw=image_hw)


def _write_text_labels(reader: Reader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    """Write label files, image lists and class names of JDE or YOLO.

    Images whose labels cannot be read are missing in `dataset` and are copied too; `drop_unreadable_rows` follows.
    """
    root, plan = reader.image_root, reader.plan()
    listed = [name for unit in plan.units for name in unit.images]
    if any(name.startswith("/") for name in listed):
        raise InputError(f"--fix: {dataset.raw.name}: images outside {root}: a copy would not find their labels")
    lines = lines_by_file(dataset, repair)
    missing = {dataset.raw.labels.images[image] for image in dataset.survey.problems}
    kept = dict.fromkeys(name for name in listed if name not in missing)
    folder_name = yolo.LABELS if isinstance(reader, yolo.YOLOReader) else jde.LABELS
    for image in (root / name for name in kept):
        file = Path(label_folder(str(image.parent), folder_name) or image.parent) / f"{image.stem}.txt"
        if file.is_file():
            _copy_lines(file, target / file.relative_to(root), lines.get(str(file), set()))
    for image_list in plan.lists:
        _copy_list(image_list, target / image_list.relative_to(root), set(kept), root)
    _link_images(kept, root, target)


def _copy_list(source: Path, target: Path, kept: set[str], root: Path) -> None:
    """Copy an image list with the kept images, each once; a YAML file without its absolute path."""
    text = source.read_text(encoding="utf-8-sig")
    if source.suffix in (".yaml", ".yml"):
        _write_bytes(target, re.sub(r"(?m)^path:[ \t]*['\"]?/.*$\n?", "", text))
        return
    remaining = set(kept)
    lines = []
    for line in text.splitlines():
        name = line.strip().removeprefix("./")
        is_image = name.lower().endswith(IMAGE_SUFFIXES)
        names = {name, (source.parent / name).relative_to(root).as_posix()} & remaining if is_image else set()
        remaining -= names
        lines += [line] if names or not is_image else []
    _write_bytes(target, "\n".join(lines) + "\n")


def _write_csv(reader: CSVReader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    file = reader.plan().units[0]
    lines = lines_by_file(dataset, repair).get(str(file), set())
    images = {dataset.raw.labels.images[image] for image in repair.images}
    rows = file.read_text(encoding="utf-8-sig").splitlines() or [""]
    delimiter = max(",;\t", key=rows[0].count)
    names = [name.strip().lower() for name in next(csv.reader(rows[:1], delimiter=delimiter))]
    column = next(index for index, name in enumerate(names) if name in ("image", "filename", "file_name"))
    for number, row in enumerate(rows[1:], 2):
        fields = next(csv.reader([row], delimiter=delimiter), [])
        if len(fields) > column and any(image.endswith(fields[column].strip()) for image in images):
            lines.add(number)
    _copy_lines(file, target / file.relative_to(reader.image_root), lines)


def _write_odgt(reader: CrowdHumanReader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    """Write the lines of the kept images without the dropped boxes."""
    units: tuple[OdgtUnit, ...] = reader.plan().units
    file, key, labels = units[0].file, BOX_KEYS[reader.source.box], dataset.raw.labels
    unreadable = {line for name, line in repair.lines if name == str(file)}
    dropped: dict[int, Counter[Box]] = {}  # image -> boxes; they have no lines of their own
    for row in repair.rows:
        dropped.setdefault(dataset.raw.image_at(row), Counter())[_box_key(labels.boxes_tlwh[row].tolist())] += 1
    numbered = enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1)
    records = [line for number, line in numbered if line.strip() and number not in unreadable]
    lines = [
        _without_boxes(records[image], key, dropped[image]) if image in dropped else records[image]
        for image in kept_images(dataset, repair)
    ]
    _write_bytes(target / file.relative_to(reader.image_root), "".join(f"{line}\n" for line in lines))


def _box_key(box: list[float]) -> Box:
    return tuple(np.asarray(box, dtype=np.float32).tolist())


def _without_boxes(line: str, key: str, dropped: Counter[Box]) -> str:
    """Drop as many boxes of each value as are counted, the last first: duplicates come after the box they repeat."""
    record = json.loads(line)
    remaining = Counter(dropped)
    rows = []
    for row in reversed(record["gtboxes"]):
        box = _box_key(row[key]) if isinstance(row.get(key), list) else ()
        if row.get("tag") != "mask" and remaining[box] > 0:
            remaining[box] -= 1
        else:
            rows.append(row)
    return json.dumps({**record, "gtboxes": rows[::-1]}, ensure_ascii=False)


def _write_coco(reader: COCOReader, dataset: InspectedDataset, repair: Repair, target: Path) -> None:
    """Write the file without the dropped images and annotations, with the images' true sizes."""
    file: Path = reader.plan().units[0]
    content: dict[str, Any] = json.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    index_of = _index_by_name(dataset, content["images"])
    remaining = set(kept_images(dataset, repair))
    images, image_of_id = [], {}
    for item in content["images"]:
        image = index_of[item["file_name"]]
        if image in remaining:
            remaining.remove(image)
            image_of_id[item["id"]] = image
            height, width = dataset.survey.hw[image].tolist()
            images.append({**item, "height": height, "width": width} if height and width else item)
    raw, labels = dataset.raw, dataset.raw.labels
    dropped = Counter(
        (raw.image_at(row), _box_key(labels.boxes_tlwh[row].tolist()), int(labels.ids[row])) for row in repair.rows
    )
    rows = [row for row in content["annotations"][::-1] if _is_kept(row, image_of_id, dropped)]
    content |= {"images": images, "annotations": rows[::-1]}
    _write_bytes(target / file.relative_to(reader.image_root), json.dumps(content, ensure_ascii=False))


def _index_by_name(dataset: InspectedDataset, items: list[dict[str, Any]]) -> dict[str, int]:
    """Return the index of each image by its name in the file (the first of repeated images), -1 where there is none."""
    names = {name: image for image, name in reversed(list(enumerate(dataset.raw.labels.images)))}
    first = items[0]["file_name"]
    prefix = min((name.removesuffix(first) for name in names if name.endswith(first)), key=len, default="")
    return {item["file_name"]: names.get(prefix + item["file_name"], -1) for item in items}


def _is_kept(row: Mapping[str, Any], image_of_id: Mapping[Any, int], dropped: Counter[tuple[int, Box, int]]) -> bool:
    """Whether to keep an annotation; counts those that are dropped down."""
    image = image_of_id.get(row.get("image_id"))
    if image is None:
        return False
    identity = row.get("track_id", row.get("instance_id"))
    key = (image, _box_key(row["bbox"]), max(int(-1 if identity is None else identity), -1))
    if row.get("iscrowd") or row.get("ignore") or dropped[key] <= 0:
        return True
    dropped[key] -= 1
    return False


def _link_images(names: Iterable[str], root: Path, target: Path) -> None:
    """Link images below `root` from the same paths below `target`; absolute names need no link."""
    for name in names:
        if not name.startswith("/"):
            link = target / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():  # subsets may share images
                link.symlink_to((root / name).resolve())


def _copy_lines(source: Path, target: Path, dropped: set[int]) -> None:
    """Copy a text file without some lines (from 1); line ends are kept."""
    text = source.read_bytes().decode("utf-8", "surrogateescape")
    kept = [line for number, line in enumerate(text.splitlines(keepends=True), 1) if number not in dropped]
    _write_bytes(target, "".join(kept))


def _write_bytes(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode("utf-8", "surrogateescape"))
