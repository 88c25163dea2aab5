"""Validation of configuration values: limits of each key, and rules between keys."""

import re
from collections.abc import Callable
from typing import Any

from fairmot.config.defaults import DATASET, KEYS
from fairmot.config.derived import embedding_lengths
from fairmot.config.node import CfgNode
from fairmot.utils.errors import InputError

VIDEO_QUALITY = {"h264": 51, "vp9": 63}  # largest constant rate factor


def validate_cfg(cfg: CfgNode) -> None:
    """Raise InputError naming the first key whose value is not allowed."""
    for name, key in KEYS.items():
        key.check(name, _get(cfg, name))
    for dataset, node in cfg.DATA.SETS.items():
        for name, key in DATASET.items():
            key.check(f"DATA.SETS.{dataset}.{name}", node[name])
    for name, (is_valid, rule) in RULES.items():
        if not is_valid(_get(cfg, name)):
            raise InputError(f"{name} = {_get(cfg, name)!r} {rule}")
    _check_combinations(cfg)


def _is_distinct(values: tuple[Any, ...]) -> bool:
    return len(set(values)) == len(values)


RULES: dict[str, tuple[Callable[[Any], object], str]] = {
    "AUGMENT.SCALE": (lambda scale: scale[0] <= scale[1], "must be a range (low, high)"),
    "LOSS.TASK_WEIGHTS": (any, "must not both be 0"),
    "MODEL.REID_NESTED": (_is_distinct, "must be distinct"),
    "MODEL.WEIGHTS_SHA256": (
        re.compile(r"(?:[0-9a-fA-F]{8,64})?").fullmatch,
        "must be 8 to 64 hexadecimal digits (in quotes)",
    ),
    "DATA.TRAIN": (bool, "must name at least one dataset or folder"),
    "DATA.CLASSES": (lambda names: names and _is_distinct(names), "must be distinct names"),
    "DEVICE": (
        re.compile(r"auto|cpu|cuda(?::[0-9]+)?").fullmatch,
        "is not a device; choose from auto, cpu, cuda, cuda:N",
    ),
}
"""Full name of a key -> (test of its value, what a value that fails is not)."""


def _check_combinations(cfg: CfgNode) -> None:
    """Raise InputError where values contradict each other."""
    quality, best = cfg.VIDEO.QUALITY, VIDEO_QUALITY[cfg.VIDEO.CODEC]
    if quality > best:
        raise InputError(f"VIDEO.QUALITY = {quality} must be between 0 and {best} with VIDEO.CODEC {cfg.VIDEO.CODEC}")
    longest = max(embedding_lengths(cfg))
    if longest < cfg.PREDICT.REID_PREFIX:
        raise InputError(f"PREDICT.REID_PREFIX = {cfg.PREDICT.REID_PREFIX} exceeds the embedding dimension {longest}")
    if not (cfg.TRACKER.USE_APPEARANCE or cfg.TRACKER.USE_MOTION or cfg.TRACKER.USE_OVERLAP):
        raise InputError("TRACKER.USE_APPEARANCE, USE_MOTION, USE_OVERLAP: at least one of them must be True")
    if cfg.TRACKER.CAMERA_MOTION == "file" and not cfg.TRACKER.CAMERA_FILE:
        raise InputError("TRACKER.CAMERA_FILE: TRACKER.CAMERA_MOTION file needs one")
    if cfg.LOSS.BALANCE == "mgda_ub" and cfg.SOLVER.ACCUMULATION_STEPS > 1:
        raise InputError("SOLVER.ACCUMULATION_STEPS must be 1 with LOSS.BALANCE mgda_ub")


def _get(cfg: CfgNode, name: str) -> Any:
    section, _, key = name.rpartition(".")
    return cfg[section][key] if section else cfg[key]
