"""defaults <- YAML file (with `_BASE_`) <- KEY VALUE overrides, each strict; the result is frozen."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairmot.config.datasets import data_set_node
from fairmot.config.defaults import default_cfg
from fairmot.config.node import CfgNode
from fairmot.config.tracker_presets import PRESETS, preset_keys
from fairmot.config.validate import validate_cfg
from fairmot.utils.errors import InputError

FREE_NAMES = "DATA.SETS."  # below it, names are the user's


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
    """Return the frozen configuration a checkpoint holds as nested dicts; checked like a file."""
    cfg = default_cfg()
    _merge_layer(cfg, tree, source="checkpoint")
    validate_cfg(cfg)
    cfg.freeze()
    return cfg


def cfg_to_dict(cfg: CfgNode) -> dict[str, Any]:
    """Return plain nested dicts with lists for tuples: what YAML and checkpoints hold."""
    return {
        key: cfg_to_dict(value) if isinstance(value, CfgNode) else list(value) if isinstance(value, tuple) else value
        for key, value in cfg.items()
    }


def dump_cfg(cfg: CfgNode) -> str:
    """Return the effective configuration as YAML."""
    return yaml.safe_dump(cfg_to_dict(cfg), sort_keys=False)


def _read_chain(path: Path, seen: tuple[Path, ...]) -> list[tuple[Path, dict[str, Any]]]:
    """Return [(file, tree)] from the furthest `_BASE_` to `path`."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: a configuration is a .yaml file")
    if path.resolve() in seen:
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
    earlier = [] if base is None else _read_chain(path.parent / str(base), (*seen, path.resolve()))
    return [*earlier, (path, tree)]


def _merge_layer(cfg: CfgNode, tree: Mapping[str, Any], *, source: str) -> None:
    """Merge one file's keys; the preset that it names comes first, so that the keys beside it win."""
    tracker = tree.get("TRACKER")
    if isinstance(tracker, Mapping) and "PRESET" in tracker:
        _apply_preset(cfg, tracker["PRESET"])
    _merge(cfg, tree, prefix="", source=source)


def _apply_preset(cfg: CfgNode, name: Any) -> None:
    """Set the keys of a preset; a name that is none is left for `validate_cfg` to refuse."""
    if isinstance(name, str) and name in PRESETS:
        for key, value in preset_keys(name, default_cfg().TRACKER).items():
            cfg.TRACKER[key] = value


def _merge(node: CfgNode, tree: Mapping[str, Any], *, prefix: str, source: str) -> None:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if prefix == FREE_NAMES and key not in node:
            node[str(key)] = data_set_node(str(key))
        if key not in node:
            raise InputError(f"{source}: unknown key {name}; choose from {', '.join(node)}")
        if isinstance(node[key], CfgNode):
            if not isinstance(value, Mapping):
                raise InputError(f"{source}: {name} is a section, not a value")
            _merge(node[key], value, prefix=f"{name}.", source=source)
        else:
            node[key] = _coerce(name, value, node[key], source)


def _merge_overrides(cfg: CfgNode, overrides: Sequence[str]) -> None:
    if len(overrides) % 2:
        raise InputError(f"{overrides[-1]}: overrides come in pairs, KEY VALUE")
    pairs = list(zip(overrides[::2], overrides[1::2], strict=True))
    for name, text in pairs:
        if name == "TRACKER.PRESET":
            _apply_preset(cfg, _parse(text) if isinstance(text, str) else text)
    for name, text in pairs:
        tree: Any = text if not isinstance(text, str) else _parse(text)
        if isinstance(_default(cfg, name), str) and isinstance(tree, int | float):
            tree = text  # a name that looks like a number
        for part in reversed(name.split(".")):
            tree = {part: tree}
        _merge(cfg, tree, prefix="", source="override")


def _default(cfg: CfgNode, name: str) -> Any:
    node: Any = cfg
    for part in name.split("."):
        node = node.get(part) if isinstance(node, CfgNode) else None
    return node


def _parse(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)


_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")  # YAML 1.1 reads 1e-4, which has no point, as text


def _coerce(name: str, value: Any, default: Any, source: str) -> Any:
    """Return `value` in the type of `default`; InputError when it does not fit."""
    if isinstance(default, bool) and isinstance(value, bool):
        return value
    if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, float) and isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if isinstance(default, int) and not isinstance(default, bool) and type(value) is int:
        return value
    if isinstance(default, str) and isinstance(value, str | int | float):
        return str(value)
    if isinstance(default, tuple) and isinstance(value, str) and _holds_text(name, default):
        return (value,)
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return _coerce_items(name, tuple(value), default, source)
    raise InputError(f"{source}: {name} = {value!r} is not a {type(default).__name__}")


_ITEM_DEFAULTS: dict[str, Any] = {
    "DATA.VAL": "", "DATA.TRAIN": "", "DATA.CLASSES": "", "SOLVER.MILESTONES": 0, "DATA.SETS.SEQUENCES": "",
    "MODEL.REID_NESTED": 0,
}  # fmt: skip


def _holds_text(name: str, default: tuple[Any, ...]) -> bool:
    return all(isinstance(item, str) for item in (*default, _ITEM_DEFAULTS.get(name, "")))


def _coerce_items(name: str, value: tuple[Any, ...], default: tuple[Any, ...], source: str) -> tuple[Any, ...]:
    """Tuples named in _ITEM_DEFAULTS take any length of that type; the others keep their length and types."""
    key = re.sub(rf"^({re.escape(FREE_NAMES)}).+\.", r"\1", name)
    if key in _ITEM_DEFAULTS:
        return tuple(_coerce(name, item, _ITEM_DEFAULTS[key], source) for item in value)
    if len(value) != len(default):
        raise InputError(f"{source}: {name} = {value!r} needs {len(default)} values")
    return tuple(_coerce(name, item, like, source) for item, like in zip(value, default, strict=True))
