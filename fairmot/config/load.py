"""Loading of configurations: defaults, YAML file (with `_BASE_`), KEY VALUE overrides; strictly typed and frozen."""

import ast
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairmot.config.datasets import dataset_node
from fairmot.config.defaults import DATASET, KEYS, SECTIONS, default_cfg
from fairmot.config.keys import Key
from fairmot.config.node import CfgNode
from fairmot.config.tracker_presets import PRESETS, preset_keys
from fairmot.config.validate import validate_cfg
from fairmot.utils.errors import InputError

DATASETS = "DATA.SETS."  # prefix of names that the user chooses


def load_cfg(path: str | Path | None = None, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the frozen configuration: defaults, then `path` (YAML), then `overrides` (KEY VALUE KEY VALUE ...).

    >>> load_cfg(None, ["MODEL.REID_DIM", "128"]).MODEL.REID_DIM
    128

    Raises InputError: no such file, not YAML, an unknown key, a value of the wrong type, an odd override list, or a
    value that `validate_cfg` refuses.
    """
    cfg = default_cfg()
    if path is not None:
        for source, tree in _read_chain(Path(path), ()):
            _merge_layer(cfg, tree, source=str(source))
    _merge_overrides(cfg, overrides)
    validate_cfg(cfg)
    cfg.freeze()
    return cfg


def cfg_from_dict(tree: Mapping[str, Any]) -> CfgNode:
    """Return the frozen configuration of nested dicts, as in a checkpoint; checked like a file."""
    cfg = default_cfg()
    _merge_layer(cfg, tree, source="checkpoint")
    validate_cfg(cfg)
    cfg.freeze()
    return cfg


def cfg_to_dict(cfg: CfgNode) -> dict[str, Any]:
    """Return nested dicts with lists for tuples, as in YAML files and checkpoints."""
    return {
        key: cfg_to_dict(value) if isinstance(value, CfgNode) else list(value) if isinstance(value, tuple) else value
        for key, value in cfg.items()
    }


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dicts by their full names, SECTION.KEY."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def dump_cfg(cfg: CfgNode) -> str:
    """Return the effective configuration as YAML."""
    return yaml.safe_dump(cfg_to_dict(cfg), sort_keys=False)


def _read_chain(path: Path, visited: tuple[Path, ...]) -> list[tuple[Path, dict[str, Any]]]:
    """Return [(file, tree)] from the furthest `_BASE_` to `path`."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: a configuration is a .yaml file")
    if path.resolve() in visited:
        raise InputError(f"{path}: _BASE_ leads back to itself")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: a configuration is a mapping of keys, not a {type(tree).__name__}")
    base = tree.pop("_BASE_", None)
    earlier = [] if base is None else _read_chain(path.parent / str(base), (*visited, path.resolve()))
    return [*earlier, (path, tree)]


def _merge_layer(cfg: CfgNode, tree: Mapping[str, Any], *, source: str) -> None:
    """Merge the keys of one file, its preset first, so that the other keys take precedence."""
    tracker = tree.get("TRACKER")
    if isinstance(tracker, Mapping) and "PRESET" in tracker:
        _apply_preset(cfg, tracker["PRESET"])
    _merge(cfg, tree, prefix="", source=source)


def _apply_preset(cfg: CfgNode, name: Any) -> None:
    """Set the keys of a preset; an unknown name is refused by `validate_cfg`."""
    if isinstance(name, str) and name in PRESETS:
        for key, value in preset_keys(name, default_cfg().TRACKER).items():
            cfg.TRACKER[key] = value


def _merge(node: CfgNode, tree: Mapping[str, Any], *, prefix: str, source: str) -> None:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if prefix == DATASETS and key not in node:
            node[str(key)] = dataset_node(str(key))
        if key not in node:
            raise InputError(f"{source}: unknown key {name}; did you mean {_nearest(name, value)}?")
        if not isinstance(node[key], CfgNode):
            node[key] = _coerce(name, value, source)
        elif isinstance(value, Mapping):
            _merge(node[key], value, prefix=f"{name}.", source=source)
        else:
            raise InputError(f"{source}: {name} is a section, not a value")


def _nearest(name: str, value: Any) -> str:
    """Return the most similar name of a key, or of a section where `value` is one."""
    folder, _, last = name.rpartition(".")
    names = [*SECTIONS, "DATA.SETS"] if isinstance(value, Mapping) else [*KEYS]
    if name.startswith(DATASETS):
        names = [f"{folder}.{key}" for key in DATASET]

    def similarity(other: str) -> tuple[bool, float]:
        ratio = difflib.SequenceMatcher(None, name.upper(), other.upper()).ratio()
        return other.rpartition(".")[2] == last.upper(), ratio

    return max(names, key=similarity)


def _find_key(name: str) -> Key | None:
    return DATASET.get(name.rpartition(".")[2]) if name.startswith(DATASETS) else KEYS.get(name)


def _merge_overrides(cfg: CfgNode, overrides: Sequence[str]) -> None:
    if len(overrides) % 2:
        raise InputError(f"{overrides[-1]}: overrides come in pairs, KEY VALUE")
    pairs = list(zip(overrides[::2], overrides[1::2], strict=True))
    for name, text in pairs:
        if name == "TRACKER.PRESET":
            _apply_preset(cfg, _parse(text) if isinstance(text, str) else text)
    for name, text in pairs:
        tree: Any = _parse(text) if isinstance(text, str) else text
        key = _find_key(name)
        if key and isinstance(key.default, str) and isinstance(tree, int | float):
            tree = text  # text that reads like a number
        for part in reversed(name.split(".")):
            tree = {part: tree}
        _merge(cfg, tree, prefix="", source="override")


def _parse(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)


def _coerce(name: str, value: Any, source: str) -> Any:
    """Return `value` in the type of the key `name`; InputError where it does not fit."""
    key = _find_key(name)
    if key is None:
        raise ValueError(f"{name}: no such key")
    try:
        return key.coerce(value)
    except TypeError:
        raise InputError(f"{source}: {name} = {value!r} is not of type {key.type_name}") from None
