"""COCO's annotation JSON, with the fields that videos add in the common conversions.

Images: `id`, `file_name`, `height`, `width`; of videos also `video_id` and `frame_id` (CocoVID, CenterTrack, ByteTrack)
or `frame_index` (TAO). Annotations: `image_id`, `category_id`, `bbox` (left, top, width, height in pixels), `iscrowd`,
`ignore`; an identity as `track_id` or `instance_id`. Sources: Lin et al., Microsoft COCO, the format's page; the
conversion tools of CenterTrack and MMTracking. Legend: F images, N boxes.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairmot.formats.label_table import LabelTable, frames_from_one
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError

_LARGEST = 1e30  # float32 holds it with room for sums
_LARGEST_WHOLE = 2**53
_KEYS = (b'"images"', b'"annotations"', b'"categories"', b'"videos"', b'"info"', b'"licenses"')
_NO_SEQUENCE = ""

Item = Mapping[str, Any]


class _Images(NamedTuple):
    files: tuple[str, ...]
    hw: IntArray
    sequences: tuple[str, ...]
    sequence_of: IntArray
    frames: IntArray


def is_coco(path: Path) -> bool:
    """Whether a JSON file starts as an object with COCO's keys; reads no more than its start."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return False
    return start.startswith(b"{") and any(key in start for key in _KEYS)


def read_coco(path: Path) -> LabelTable:
    """Read an annotation file.

    Crowds, boxes marked `ignore` and boxes of images that the file does not list are left out. Frames count from 1
    whether the file's do or start at 0; images of a video without frame numbers are numbered by their order.
    Raises InputError naming the file and what is wrong: not JSON, a list or a key that is missing, one id for two
    images, an unknown category or video, a box that is not four finite numbers, an identity that is no whole number.
    """
    content = _load(path)
    image_items = _items(content, "images", path)
    categories = _items(content, "categories", path)
    place_of = _places(image_items, f"{path}: images")
    rows, left_out = _kept(_items(content, "annotations", path), place_of, path)
    names, class_of = _class_places(categories, path)
    images = _read_images(image_items, _items(content, "videos", path) if "videos" in content else [], path)
    return LabelTable(
        images=images.files,
        image_hw=images.hw,
        sequences=images.sequences,
        sequence_of=images.sequence_of,
        frames=images.frames,
        image_of=np.array([place_of[row["image_id"]] for row in rows], dtype=np.int64),
        boxes_tlwh=_boxes(rows, path),
        ids=np.array([_identity(row, path) for row in rows], dtype=np.int64),
        classes=_classes(rows, class_of, path),
        class_names=names,
        lines=np.zeros(len(rows), dtype=np.int64),
        left_out=left_out,
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
        raise InputError(f"{path}: not a COCO file: an object with images, annotations and categories is wanted")
    return content


def _items(content: Item, key: str, path: Path) -> Sequence[Item]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{path}: no list of objects {key!r}, as COCO files have it")
    return items


def _places(items: Sequence[Item], where: str) -> dict[Any, int]:
    """Return the place of each id."""
    places: dict[Any, int] = {}
    for place, item in enumerate(items):
        key = item.get("id")
        if not isinstance(key, int | str):
            raise InputError(f"{where}[{place}]: no id")
        if places.setdefault(key, place) != place:
            raise InputError(f"{where}[{place}]: id {key} is that of [{places[key]}] too")
    return places


def _kept(rows: Sequence[Item], place_of: Mapping[Any, int], path: Path) -> tuple[list[Item], int]:
    """Return the annotations that are neither crowds, ignored nor of strange images, and how many are."""
    try:
        kept = [row for row in rows if not row.get("iscrowd") and not row.get("ignore") and row["image_id"] in place_of]
    except (KeyError, TypeError):  # TypeError: a list for an id
        wrong = next(row for row in rows if not isinstance(row.get("image_id"), int | str))
        raise InputError(f"{path}: annotation {wrong.get('id')}: no image_id") from None
    return kept, len(rows) - len(kept)


def _class_places(categories: Sequence[Item], path: Path) -> tuple[tuple[str, ...], dict[Any, int]]:
    """Return the names, each once, and the place of each category id."""
    places = _places(categories, f"{path}: categories")
    names: dict[str, int] = {}
    of_category = {key: str(categories[place].get("name", key)) for key, place in places.items()}
    for name in of_category.values():
        names.setdefault(name, len(names))
    return tuple(names), {key: names[name] for key, name in of_category.items()}


def _classes(rows: Sequence[Item], class_of: Mapping[Any, int], path: Path) -> IntArray:
    try:
        return np.array([class_of[row["category_id"]] for row in rows], dtype=np.int64)
    except (KeyError, TypeError):
        wrong = next(row for row in rows if _hashable(row.get("category_id")) not in class_of)
        raise InputError(
            f"{path}: annotation {wrong.get('id')}: category_id {wrong.get('category_id')} is not in categories"
        ) from None


def _hashable(value: object) -> object:
    return value if isinstance(value, int | str) else None


def _boxes(rows: Sequence[Item], path: Path) -> FloatArray:
    try:
        boxes = np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(len(rows), -1)
        if boxes.shape[1:] == (4,) and (np.abs(boxes) <= _LARGEST).all():
            return boxes.astype(np.float32)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    if not rows:
        return np.zeros((0, 4), dtype=np.float32)
    wrong = next((row for row in rows if not _is_box(row.get("bbox"))), rows[0])
    shown = f"= {str(wrong['bbox'])[:60]} is not four finite numbers" if "bbox" in wrong else "is missing"
    raise InputError(f"{path}: annotation {wrong.get('id')}: bbox {shown}")


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(_is_sound(value) for value in box)


def _is_sound(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def _identity(row: Item, path: Path) -> int:
    own = row.get("track_id", row.get("instance_id"))
    if own is None:
        return UNKNOWN
    if not isinstance(own, int | float) or not abs(own) < _LARGEST_WHOLE or own != int(own):
        raise InputError(f"{path}: annotation {row.get('id')}: track_id {str(own)[:40]!r} is not a whole number")
    return max(int(own), UNKNOWN)


def _read_images(items: Sequence[Item], videos: Sequence[Item], path: Path) -> _Images:
    files = tuple(_file_name(item, path) for item in items)
    hw = [[_whole(item, key, path) for key in ("height", "width")] for item in items]
    sequences, sequence_of = _sequences(items, videos, path)
    return _Images(
        files=files,
        hw=np.array(hw, dtype=np.int64).reshape(-1, 2),
        sequences=sequences,
        sequence_of=sequence_of,
        frames=_frames(items, path),
    )


def _file_name(item: Item, path: Path) -> str:
    name = item.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{path}: image {item.get('id')}: no file_name")
    return name if "/" in name else name.replace("\\", "/")


def _whole(item: Item, key: str, path: Path, *, default: int = 0) -> int:
    value = item.get(key)
    if value is None:
        return default
    if not isinstance(value, int | float) or not 0 <= value < _LARGEST_WHOLE or value != int(value):
        raise InputError(f"{path}: image {item.get('id')}: {key} {str(value)[:40]!r} is not a whole number from 0 up")
    return int(value)


def _sequences(items: Sequence[Item], videos: Sequence[Item], path: Path) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of the videos and each image's place among them; "" for images of no video."""
    place_of = _places(videos, f"{path}: videos")
    of_images = [item.get("video_id") for item in items]
    names = [
        str(video.get("name") or video.get("file_name") or key) for key, video in zip(place_of, videos, strict=True)
    ]
    if not videos:  # numbers alone stand for the names
        place_of = {key: place for place, key in enumerate(dict.fromkeys(k for k in of_images if k is not None))}
        names = [str(key) for key in place_of]
    strange = next((item for item, key in zip(items, of_images, strict=True) if key not in {None, *place_of}), None)
    if strange is not None:
        raise InputError(f"{path}: image {strange.get('id')}: video_id {strange['video_id']} is not in videos")
    if None in of_images or not names:
        place_of[None] = len(names)
        names.append(_NO_SEQUENCE)
    return tuple(names), np.array([place_of[key] for key in of_images], dtype=np.int64)


def _frames(items: Sequence[Item], path: Path) -> IntArray:
    """Return (F,) frames from 1 of images of videos, 0 of others."""
    has_video = np.array([item.get("video_id") is not None for item in items], dtype=np.bool_)
    key = "frame_id" if any("frame_id" in item for item in items) else "frame_index"
    given = np.array([_whole(item, key, path, default=-1) for item in items], dtype=np.int64)
    if (given[has_video] >= 0).all():
        return frames_from_one(given, has_video)
    seen: dict[Any, int] = {}
    ranks = np.zeros(len(items), dtype=np.int64)
    for place in np.flatnonzero(has_video).tolist():
        video = items[place]["video_id"]
        ranks[place] = seen[video] = seen.get(video, 0) + 1
    return ranks
