"""Data set description of Ultralytics (data.yaml): image folders of its parts, and class names.

path: ../datasets/street
train: images/train
val: images/val
names: {0: person, 1: bicycle}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import yaml

from fairmot.formats.text_io import read_text
from fairmot.utils.errors import InputError

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class DataYaml:
    """Content of a data.yaml.

    parts: folders or lists, as written, of those of train, val and test that it has.
    base: the folder that they are relative to, as written, "" for the file's own.
    class_names: by number; () without names.
    keypoint_values: numbers after each box, 0 without key points.
    """

    path: Path
    parts: Mapping[str, tuple[str, ...]]
    base: str = ""
    class_names: tuple[str, ...] = ()
    keypoint_values: int = 0


def is_data_yaml(path: Path) -> bool:
    """Whether a YAML file describes a part of a data set."""
    try:
        return bool(read_data_yaml(path).parts)
    except InputError:
        return False


def read_data_yaml(path: Path) -> DataYaml:
    """Read a data.yaml; InputError names it and the key that is wrong."""
    content = _load(path)
    return DataYaml(
        path=path,
        parts={key: _texts(content[key], f"{path}: {key}") for key in _PARTS if content.get(key)},
        base=str(content.get("path") or ""),
        class_names=_names(content.get("names"), path),
        keypoint_values=_keypoint_values(content.get("kpt_shape"), path),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values (train, val, names)")
    return content


def _texts(value: object, where: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in texts):
        raise InputError(f"{where}: expected a folder, a list file, or several in []")
    return tuple(texts)


def _names(names: object, path: Path) -> tuple[str, ...]:
    """Return the names by number; a class without a name is called by its number."""
    if names is None:
        return ()
    if isinstance(names, list):
        return tuple(map(str, names))
    if not isinstance(names, dict) or not all(str(key).isdecimal() and int(key) < 100_000 for key in names):
        raise InputError(f"{path}: names: expected a list of names, or numbers and names")
    by_number = {int(key): str(name) for key, name in names.items()}
    return tuple(by_number.get(number, str(number)) for number in range(max(by_number, default=-1) + 1))


def _keypoint_values(shape: object, path: Path) -> int:
    if shape is None:
        return 0
    if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
        raise InputError(f"{path}: kpt_shape: expected [points, values of each]")
    return prod(shape)
