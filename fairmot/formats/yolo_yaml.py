"""Ultralytics' data.yaml: where the parts of a data set lie, and how its classes are called.

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

from fairmot.utils.errors import InputError

_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class DataYaml:
    """What such a file says.

    parts: of train, val, test those that are there; each some folders or lists, as written.
    base: the folder that they are relative to, as written, "" for the file's own.
    class_names: by number; () where it names none.
    keypoint_values: numbers that follow each box, 0 where there are no key points.
    """

    path: Path
    parts: Mapping[str, tuple[str, ...]]
    base: str = ""
    class_names: tuple[str, ...] = ()
    keypoint_values: int = 0


def is_data_yaml(path: Path) -> bool:
    """Whether a YAML file names a part of a data set."""
    try:
        return bool(read_data_yaml(path).parts)
    except InputError:
        return False


def read_data_yaml(path: Path) -> DataYaml:
    """Read such a file; InputError names it and the key that is wrong."""
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
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: keys and values are wanted (train, val, names)")
    return content


def _texts(value: object, where: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in texts):
        raise InputError(f"{where}: a folder, a list file, or several in [] are wanted")
    return tuple(texts)


def _names(names: object, path: Path) -> tuple[str, ...]:
    """Return the names by number; a number without a name stands for itself."""
    if names is None:
        return ()
    if isinstance(names, list):
        return tuple(map(str, names))
    if not isinstance(names, dict) or not all(str(key).isdecimal() and int(key) < 100_000 for key in names):
        raise InputError(f"{path}: names: a list of names, or numbers and names, are wanted")
    by_number = {int(key): str(name) for key, name in names.items()}
    return tuple(by_number.get(number, str(number)) for number in range(max(by_number, default=-1) + 1))


def _keypoint_values(shape: object, path: Path) -> int:
    if shape is None:
        return 0
    if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
        raise InputError(f"{path}: kpt_shape: [points, values of each] is wanted")
    return prod(shape)
