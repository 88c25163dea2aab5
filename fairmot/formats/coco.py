"""Annotation files of COCO (JSON), with the fields that the common video conversions add.

Images: `id`, `file_name`, `height`, `width`; of videos also `video_id` and `frame_id` (CocoVID, CenterTrack, ByteTrack)
or `frame_index` (TAO). Annotations: `image_id`, `category_id`, `bbox` (left, top, width, height in pixels), `iscrowd`,
`ignore`; an identity as `track_id` or `instance_id`. Sources: Lin et al., Microsoft COCO, the format's page; the
conversion tools of CenterTrack and MMTracking. Legend: F images, N boxes.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import MAX_INTEGER, MAX_VALUE, UNKNOWN, Annotations, frames_from_one
from fairmot.utils.errors import InputError

_KEYS = (b'"images"', b'"annotations"', b'"categories"', b'"videos"', b'"info"', b'"licenses"')

Item = Mapping[str, Any]


def is_coco(path: Path) -> bool:
    """Whether a JSON file starts as an object with COCO's keys; reads its first 4 KiB."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return False
    return start.startswith(b"{") and any(key in start for key in _KEYS)


def read_coco(path: Path) -> Annotations:
    """Read an annotation file; images keep its order.

    Crowds, boxes flagged `ignore` and boxes of images that the file does not list are left out. Frames count from 1
    whether the file's do or start at 0; images of a video without frame numbers are numbered by their order.
    Raises InputError naming the file and what is wrong: not JSON, a list or a key that is missing, one id for two
    images, an unknown category or video, a box that is not four finite numbers, an identity that is not an integer.
    """
    content = _load(path)
    images = _items(content, "images", path)
    categories = _items(content, "categories", path)
    index_of = _index_ids(images, f"{path}: images")
    rows, left_out = _select_rows(_items(content, "annotations", path), index_of, path)
    category_of = _index_ids(categories, f"{path}: categories")
    class_of = {key: str(categories[index].get("name", key)) for key, index in category_of.items()}
    class_names = {name: index for index, name in enumerate(dict.fromkeys(class_of.values()))}
    files = tuple(_file_name(item, path) for item in images)
    image_hw = [[_integer(item, key, path) for key in ("height", "width")] for item in images]
    sequences, sequence_of = _sequences(images, _items(content, "videos", path) if "videos" in content else [], path)
    frames = _frames(images, path)
    image_of = np.array([index_of[row["image_id"]] for row in rows], dtype=np.int64)
    by_image = np.argsort(image_of, kind="stable")
    return Annotations(
        images=files,
        counts=np.bincount(image_of, minlength=len(images)),
        boxes_tlwh=_boxes(rows, path)[by_image],
        ids=np.array([_identity(row, path) for row in rows], dtype=np.int64)[by_image],
        classes=_classes(rows, {key: class_names[name] for key, name in class_of.items()}, path)[by_image],
        class_names=tuple(class_names),
        label_files=(str(path),),
        lines=np.zeros(len(rows), dtype=np.int64),
        left_out=left_out,
        sequences=sequences,
        sequence_of=sequence_of,
        frames=frames,
        image_hw=np.array(image_hw, dtype=np.int64).reshape(-1, 2),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a COCO file: expected an object with images, annotations and categories")
    return content


def _items(content: Item, key: str, path: Path) -> Sequence[Item]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{path}: no list of objects {key!r}, as COCO files have it")
    return items


def _index_ids(items: Sequence[Item], where: str) -> dict[Any, int]:
    """Return the index of each id."""
    index_of: dict[Any, int] = {}
    for index, item in enumerate(items):
        key = item.get("id")
        if not isinstance(key, int | str):
            raise InputError(f"{where}[{index}]: no id")
        if index_of.setdefault(key, index) != index:
            raise InputError(f"{where}[{index}]: id {key} is that of [{index_of[key]}] too")
    return index_of


def _select_rows(rows: Sequence[Item], index_of: Mapping[Any, int], path: Path) -> tuple[list[Item], int]:
    """Return the annotations of listed images that are neither crowds nor ignored, and how many others there are."""
    try:
        kept = [row for row in rows if not row.get("iscrowd") and not row.get("ignore") and row["image_id"] in index_of]
    except (KeyError, TypeError):  # TypeError: a list for an id
        wrong = next(row for row in rows if not isinstance(row.get("image_id"), int | str))
        raise InputError(f"{path}: annotation {wrong.get('id')}: no image_id") from None
    return kept, len(rows) - len(kept)


def _classes(rows: Sequence[Item], class_of: Mapping[Any, int], path: Path) -> IntArray:
    try:
        return np.array([class_of[row["category_id"]] for row in rows], dtype=np.int64)
    except (KeyError, TypeError):
        for row in rows:
            key = row.get("category_id")
            if not isinstance(key, int | str) or key not in class_of:
                where = f"{path}: annotation {row.get('id')}"
                raise InputError(f"{where}: category_id {key} is not in categories") from None
        raise


def _boxes(rows: Sequence[Item], path: Path) -> FloatArray:
    try:
        boxes = np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(len(rows), -1)
        if boxes.shape[1:] == (4,) and (np.abs(boxes) <= MAX_VALUE).all():
            return boxes.astype(np.float32)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    if not rows:
        return np.zeros((0, 4), dtype=np.float32)
    for row in rows:
        require_box(row, "bbox", f"{path}: annotation {row.get('id')}")
    raise AssertionError("unreachable")


def require_box(item: Item, key: str, where: str) -> list[float]:
    """Return the box `item[key]`; InputError beginning with `where` unless it is four finite numbers."""
    box = item.get(key)
    if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) and abs(v) <= MAX_VALUE for v in box):
        return box
    shown = f"= {str(box)[:60]} is not four finite numbers" if key in item else "is missing"
    raise InputError(f"{where}: {key} {shown}")


def _identity(row: Item, path: Path) -> int:
    own = row.get("track_id", row.get("instance_id"))
    if own is None:
        return UNKNOWN
    if not isinstance(own, int | float) or not abs(own) < MAX_INTEGER or own != int(own):
        raise InputError(f"{path}: annotation {row.get('id')}: track_id {str(own)[:40]!r} is not a whole number")
    return max(int(own), UNKNOWN)


def _file_name(item: Item, path: Path) -> str:
    name = item.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{path}: image {item.get('id')}: no file_name")
    return name if "/" in name else name.replace("\\", "/")


def _integer(item: Item, key: str, path: Path, *, default: int = 0) -> int:
    value = item.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or not 0 <= value < MAX_INTEGER or value != int(value):
        raise InputError(f"{path}: image {item.get('id')}: {key} {str(value)[:40]!r} is not a whole number from 0 up")
    return int(value)


def _sequences(items: Sequence[Item], videos: Sequence[Item], path: Path) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of the videos and each image's index among them; "" for images of no video."""
    index_of = _index_ids(videos, f"{path}: videos")
    video_ids = [item.get("video_id") for item in items]
    names = [
        str(video.get("name") or video.get("file_name") or key) for key, video in zip(index_of, videos, strict=True)
    ]
    if not videos:  # the ids serve as names
        index_of = {key: index for index, key in enumerate(dict.fromkeys(key for key in video_ids if key is not None))}
        names = [str(key) for key in index_of]
    unlisted = next((item for item, key in zip(items, video_ids, strict=True) if key not in {None, *index_of}), None)
    if unlisted is not None:
        raise InputError(f"{path}: image {unlisted.get('id')}: video_id {unlisted['video_id']} is not in videos")
    if None in video_ids or not names:
        index_of[None] = len(names)
        names.append("")
    return tuple(names), np.array([index_of[key] for key in video_ids], dtype=np.int64)


def _frames(items: Sequence[Item], path: Path) -> IntArray:
    """Return (F,) frame numbers from 1 for images of videos, 0 for others."""
    has_video = np.array([item.get("video_id") is not None for item in items], dtype=np.bool_)
    key = "frame_id" if any("frame_id" in item for item in items) else "frame_index"
    numbers = np.array([_integer(item, key, path, default=-1) for item in items], dtype=np.int64)
    if (numbers[has_video] >= 0).all():
        return frames_from_one(numbers, has_video)
    lengths: dict[Any, int] = {}
    ranks = np.zeros(len(items), dtype=np.int64)
    for index in np.flatnonzero(has_video).tolist():
        video = items[index]["video_id"]
        ranks[index] = lengths[video] = lengths.get(video, 0) + 1
    return ranks
