"""Corrected copies of annotation files in JSON: boxes have no lines there, so they are known by their values."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fairmot.data.inspection.image_checks import Surveyed
from fairmot.data.inspection.repair import Repair, kept_images, write_as_is
from fairmot.data.readers.coco import COCOReader
from fairmot.data.readers.crowdhuman import CrowdHumanReader, OdgtUnit
from fairmot.formats.crowdhuman import BOX_KEYS

Box = tuple[float, ...]


def write_odgt_copy(reader: CrowdHumanReader, one: Surveyed, repair: Repair, target: Path) -> None:
    """Write the lines of the images that stay, each without the boxes to leave out."""
    units: tuple[OdgtUnit, ...] = reader.plan().units
    file, key = units[0].file, BOX_KEYS[reader.source.box]
    unread = {line for name, line in repair.lines if name == str(file)}
    dropped = _dropped_boxes(one, repair)
    kept = set(kept_images(one, repair))
    lines = []
    image = -1
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip() and number not in unread:
            image += 1
            if image in kept:
                lines.append(_without_boxes(line, key, dropped[image]) if image in dropped else line)
    write_as_is(target / file.relative_to(reader.image_root), "".join(f"{line}\n" for line in lines))


def _dropped_boxes(one: Surveyed, repair: Repair) -> dict[int, Counter[Box]]:
    dropped: dict[int, Counter[Box]] = {}
    for row in repair.rows:
        boxes = dropped.setdefault(one.raw.image_at(row), Counter())
        boxes[_key(one.raw.boxes_tlwh[row].tolist())] += 1
    return dropped


def _key(box: list[float]) -> Box:
    return tuple(np.asarray(box, dtype=np.float32).tolist())


def _without_boxes(line: str, key: str, dropped: Counter[Box]) -> str:
    """Leave out as many boxes of each value as are counted, from the last on: earlier ones are those repeated."""
    record = json.loads(line)
    left = Counter(dropped)
    rows = []
    for row in reversed(record["gtboxes"]):
        box = _key(row[key]) if isinstance(row.get(key), list) else ()
        if row.get("tag") != "mask" and left[box] > 0:
            left[box] -= 1
        else:
            rows.append(row)
    return json.dumps({**record, "gtboxes": rows[::-1]}, ensure_ascii=False)


def write_coco_copy(reader: COCOReader, one: Surveyed, repair: Repair, target: Path) -> None:
    """Write the file without the images and annotations to leave out, with the images' true sizes."""
    file: Path = reader.plan().units[0]
    content: dict[str, Any] = json.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    place_of = _places_by_file(one, content["images"])
    kept = set(kept_images(one, repair))
    seen: set[int] = set()
    images, place_of_id = [], {}
    for item in content["images"]:
        place = place_of.get(item["file_name"], -1)
        if place in kept and place not in seen:
            seen.add(place)
            place_of_id[item["id"]] = place
            images.append(_with_true_size(item, one.survey.hw[place].tolist()))
    dropped = _dropped_annotations(one, repair)
    rows = [row for row in content["annotations"][::-1] if _stays(row, place_of_id, dropped)]
    content |= {"images": images, "annotations": rows[::-1]}
    write_as_is(target / file.relative_to(reader.image_root), json.dumps(content, ensure_ascii=False))


def _places_by_file(one: Surveyed, items: list[dict[str, Any]]) -> dict[str, int]:
    """Return the place of each image by its name in the file; that of the first where it is listed more than once."""
    names: dict[str, int] = {}
    for image in reversed(kept_images(one, Repair({}, frozenset(), frozenset()))):
        names[one.raw.images[image]] = image
    first = items[0]["file_name"]
    prefix = min((name.removesuffix(first) for name in names if name.endswith(first)), key=len, default="")
    return {item["file_name"]: names.get(prefix + item["file_name"], -1) for item in items}


def _with_true_size(item: dict[str, Any], true_hw: list[int]) -> dict[str, Any]:
    return {**item, "height": true_hw[0], "width": true_hw[1]} if all(true_hw) else item


def _dropped_annotations(one: Surveyed, repair: Repair) -> Counter[tuple[int, Box, int]]:
    raw = one.raw
    keys = ((raw.image_at(row), _key(raw.boxes_tlwh[row].tolist()), int(raw.ids[row])) for row in repair.rows)
    return Counter(keys)


def _stays(row: Mapping[str, Any], place_of_id: Mapping[Any, int], dropped: Counter[tuple[int, Box, int]]) -> bool:
    place = place_of_id.get(row.get("image_id"))
    if place is None:
        return False
    identity = row.get("track_id", row.get("instance_id"))
    key = (place, _key(row["bbox"]), max(int(-1 if identity is None else identity), -1))
    if row.get("iscrowd") or row.get("ignore") or dropped[key] <= 0:
        return True
    dropped[key] -= 1
    return False
