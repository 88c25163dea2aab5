"""Writers of label formats that the package only reads, for round trips."""

import csv
import json
import math
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from fairmot.formats.atomic import write_text
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import UNKNOWN, Annotations

_BOX = ("left", "top", "width", "height")


def write_label_text(path: Path, boxes_tlwh: FloatArray, classes: IntArray, *, ids: IntArray | None = None) -> None:
    """Write an image's boxes (N, 4), fractions of its sides, atomically: as JDE rows, as YOLO rows without ids."""
    centres = boxes_tlwh[:, :2] + boxes_tlwh[:, 2:] / 2
    rows = np.concatenate([centres, boxes_tlwh[:, 2:]], axis=1).tolist()
    keys = [str(kind) for kind in classes] if ids is None else [f"{a} {b}" for a, b in zip(classes, ids, strict=True)]
    lines = (f"{key} {' '.join(map(_shown, row))}\n" for key, row in zip(keys, rows, strict=True))
    write_text(path, "".join(lines))


def _shown(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} in a box")
    return f"{value:.9g}"


def write_label_csv(path: Path, labels: Annotations) -> None:
    """Write annotations atomically: image, box, id, class, and sequence and frame where it has them."""
    header = ["image", *_BOX, "id", "class", *(["sequence", "frame"] if any(labels.sequences) else [])]
    text = StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    rows_of: dict[int, list[int]] = {}
    for row, index in enumerate(labels.image_of.tolist()):
        rows_of.setdefault(index, []).append(row)
    for index in range(len(labels.images)):
        for row in rows_of.get(index, [-1]):
            writer.writerow(_written_row(labels, index, row))
    write_text(path, text.getvalue())


def _written_row(labels: Annotations, index: int, row: int) -> Mapping[str, object]:
    frame = int(labels.frames[index])
    image = {
        "image": labels.images[index],
        "sequence": labels.sequences[int(labels.sequence_of[index])],
        "frame": frame or "",
    }
    if row < 0:  # an image without boxes
        return image
    box = {name: f"{value:.9g}" for name, value in zip(_BOX, labels.boxes_tlwh[row].tolist(), strict=True)}
    own = int(labels.ids[row])
    kind = labels.class_names[int(labels.classes[row])]
    return {**image, **box, "id": "" if own == UNKNOWN else own, "class": kind}


def write_coco(path: Path, labels: Annotations) -> None:
    """Write annotations as COCO's JSON, with video_id, frame_id and track_id where it has sequences and ids."""
    has_videos = any(labels.sequences)
    videos = [{"id": index, "name": name} for index, name in enumerate(labels.sequences, 1)]
    content = {
        **({"videos": videos} if has_videos else {}),
        "images": [_image_item(labels, index, has_videos=has_videos) for index in range(len(labels.images))],
        "annotations": [_annotation_item(labels, row) for row in range(len(labels.image_of))],
        "categories": [{"id": index, "name": name} for index, name in enumerate(labels.class_names, 1)],
    }
    write_text(path, json.dumps(content, ensure_ascii=False))


def _image_item(labels: Annotations, index: int, *, has_videos: bool) -> dict[str, Any]:
    height, width = labels.image_hw[index].tolist()
    item = {"id": index + 1, "file_name": labels.images[index], "height": height, "width": width}
    if has_videos:
        item |= {"video_id": int(labels.sequence_of[index]) + 1, "frame_id": int(labels.frames[index])}
    return item


def _annotation_item(labels: Annotations, row: int) -> dict[str, Any]:
    box_tlwh = labels.boxes_tlwh[row].tolist()
    item = {
        "id": row + 1,
        "image_id": int(labels.image_of[row]) + 1,
        "category_id": int(labels.classes[row]) + 1,
        "bbox": box_tlwh,
        "area": box_tlwh[2] * box_tlwh[3],
        "iscrowd": 0,
    }
    return item if labels.ids[row] == UNKNOWN else {**item, "track_id": int(labels.ids[row])}
