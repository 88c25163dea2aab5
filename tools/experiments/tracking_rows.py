"""Rows of the table of tracker gains: each part of the tracker alone, the presets, and `strong` without each part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fairmot.config.defaults import default_cfg
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.utils.errors import InputError

BASE, STRONG = "fairmot", "strong"
# A part added to the preset `fairmot`: TRACKER keys and values, first the key that enables it.
PARTS: Mapping[str, Mapping[str, Any]] = {
    "second association": {"SECOND_ASSOCIATION": True},
    "higher initiation threshold": {"BIRTH_THRESHOLD": 0.5},
    "relaxed appearance threshold": {"APPEARANCE_THRESHOLD": 0.6},
    "IoU in the first cost": {"OVERLAP_WEIGHT": 0.5, "APPEARANCE_THRESHOLD": 0.85},
    "score fusion": {"FUSE_SCORE": True, "OVERLAP_THRESHOLD": 0.8},
    "OCR": {"OCR": True},
    "OCR with appearance gate": {"OCR_APPEARANCE": 0.3, "OCR": True},
    "ORU": {"ORU": True},
    "state xywh": {"KALMAN_STATE": "xywh"},
    "NSA measurement noise": {"MEASUREMENT_NOISE": "nsa"},
    "Kalman steps of 1/30 s": {"KALMAN_RATE": 30.0},
    "camera motion compensation": {"CAMERA_MOTION": "flow"},
    "score-weighted embedding update": {"EMBEDDING_UPDATE": "score"},
    "buffer of 2 s": {"BUFFER": 60},
    "re-identification gallery": {"GALLERY_BUFFER": 300},
    "detection boxes in the output": {"OUTPUT_BOX": "detection"},
    "linear interpolation": {"INTERPOLATE": "linear"},
    "Gaussian interpolation": {"INTERPOLATE": "gaussian"},
    "minimum track length": {"MIN_TRACK_LENGTH": 10},
}
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "without appearance": {"USE_APPEARANCE": False},
    "without motion": {"USE_MOTION": False},
    "without overlap": {"USE_OVERLAP": False},
    "overlap only": {"USE_APPEARANCE": False, "USE_MOTION": False},
    "appearance only": {"USE_MOTION": False, "USE_OVERLAP": False},
    "motion only": {"USE_APPEARANCE": False, "USE_OVERLAP": False},
}
PRESETS = ("jde", "byte", STRONG)


@dataclass(frozen=True)
class Row:
    """One row: its name, its configuration, and the name of the row that it is compared with."""

    key: str
    cfg: CfgNode
    base: str = BASE


def all_rows(strong: Path | None = None, overrides: Sequence[str] = ()) -> tuple[Row, ...]:
    """Return the rows, in the order of the table.

    strong: a YAML file that replaces the preset `strong`. overrides: keys and values common to all rows.
    """
    single = [_changed(name, keys, overrides) for name, keys in {**PARTS, **ABLATIONS}.items()]
    presets = [Row(name, _cfg(["TRACKER.PRESET", name, *overrides])) for name in PRESETS if name != STRONG]
    best = _strong(strong, overrides)
    return (Row(BASE, _cfg(overrides)), *single, *presets, best, *_without_each(best, strong, overrides))


def choose_rows(rows: Sequence[Row], patterns: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows whose keys match a pattern (all rows without patterns), and the rows they are compared with.

    Raises InputError for a pattern without a match.
    """
    for pattern in patterns:
        if not any(fnmatch(row.key, pattern) for row in rows):
            raise InputError(f"--rows: no row {pattern!r}; choose from {', '.join(row.key for row in rows)}")
    chosen = [row for row in rows if not patterns or any(fnmatch(row.key, pattern) for pattern in patterns)]
    needed = {row.key for row in chosen} | {row.base for row in chosen}
    return tuple(row for row in rows if row.key in needed)


def _cfg(overrides: Sequence[str], path: Path | None = None) -> CfgNode:
    return load_cfg(path, overrides)


def _changed(name: str, keys: Mapping[str, Any], overrides: Sequence[str]) -> Row:
    return Row(name, _cfg([*overrides, *_pairs(keys)]))


def _strong(path: Path | None, overrides: Sequence[str]) -> Row:
    preset = ["TRACKER.PRESET", STRONG] if path is None else []
    return Row(STRONG, _cfg([*preset, *overrides], path))


def _without_each(best: Row, path: Path | None, overrides: Sequence[str]) -> list[Row]:
    """Rows of `best` with one part reset to the defaults, and with all keys that belong to no part reset."""
    defaults, own = default_cfg().TRACKER, best.cfg.TRACKER
    changed = {key: defaults[key] for key in own if key != "PRESET" and own[key] != defaults[key]}
    groups = {name: [key for key in keys if key in changed] for name, keys in PARTS.items() if _has(own, keys, changed)}
    groups = {name: keys for name, keys in groups.items() if not _is_within(keys, groups.values())}
    remaining = [key for key in changed if not any(key in keys for keys in groups.values())]
    preset = ["TRACKER.PRESET", STRONG] if path is None else []
    return [
        Row(
            f"{STRONG} without {name}",
            _cfg([*preset, *overrides, *_pairs({key: changed[key] for key in keys})], path),
            base=STRONG,
        )
        for name, keys in {**groups, "its other thresholds": remaining}.items()
        if keys
    ]


def _has(own: CfgNode, keys: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
    """Whether a configuration includes a part: it changes the first key and has the part's text values."""
    return next(iter(keys)) in changed and all(
        own[key] == value for key, value in keys.items() if isinstance(value, str)
    )


def _is_within(keys: Sequence[str], groups: Iterable[Sequence[str]]) -> bool:
    """Whether the keys are a proper subset of a group."""
    return any(set(keys) < set(others) for others in groups)


def _pairs(keys: Mapping[str, Any]) -> list[str]:
    return [text for key, value in keys.items() for text in (f"TRACKER.{key}", str(value))]
