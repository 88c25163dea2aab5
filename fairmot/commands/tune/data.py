"""Data of a tracker search: detection caches with their ground truth, split into tuned and held-out sequences."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.commands.track.camera_motion import build_replay_motion_step
from fairmot.config.node import CfgNode
from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.sequences import cut_sequence, read_ground_truth
from fairmot.formats.detection_cache import DetectionCache, read_cache
from fairmot.structures.report import ScoredSequence
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

HELD_OUT_SEQUENCES, HELD_OUT_FRAMES = 0.25, 0.5  # default fractions, of several sequences and of a single one
_TEST_NAME = re.compile(r"(^|[^a-z])(test|testing|val|valid|validation)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class SequencePart:
    """A sequence or a range of its frames: the tracker's inputs, and the ground truth with empty results."""

    inputs: tuple[TrackerInput, ...]
    ground_truth: ScoredSequence

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.ground_truth.info.name


@dataclass(frozen=True)
class TuneData:
    """Tuned and held-out sequences, the scoring protocol (EVAL.PROTOCOL) and warnings for the user."""

    tuned: tuple[SequencePart, ...]
    held_out: tuple[SequencePart, ...]  # may be empty
    protocol: str
    warnings: tuple[str, ...] = ()

    def digests(self) -> dict[str, dict[str, str]]:
        """Return subset -> sequence -> digest of its detections and ground truth."""
        subsets = {"tuned": self.tuned, "held out": self.held_out}
        return {subset: {part.name: _digest(part) for part in parts} for subset, parts in subsets.items()}


def read_tune_data(
    cfg: CfgNode,
    *,
    caches: Sequence[Path],
    ground_truth: Path,
    holdout: Sequence[str],
    with_camera_motion: bool = False,
) -> TuneData:
    """Read the ground truth's sequences and the cache `<sequence>.npz` of each, from the files and folders `caches`.

    holdout: sequence names, or one fraction in [0, 1): of the sequences, drawn by SEED, or of the last frames of a
    single one; empty: HELD_OUT_SEQUENCES or HELD_OUT_FRAMES. Copies of a MOT17 sequence for several detectors are held
    out together. with_camera_motion: the caches must contain camera motion.

    Raises InputError for a missing or malformed cache or ground truth, different lengths, or a wrong `holdout`.
    """
    sequences = read_ground_truth(ground_truth).sequences
    choice = choose_protocol(sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES)
    files = _find_caches(caches)
    parts = []
    for sequence in sequences:
        check_sequence(sequence, choice.protocol, num_classes=len(cfg.DATA.CLASSES))
        parts.append(_read_part(cfg, sequence, files, with_camera_motion=with_camera_motion))
    tuned, held_out = _split(parts, holdout, seed=cfg.SEED)
    if held_out and not sum(len(part.ground_truth.ground_truth) for part in held_out):
        raise InputError("--holdout: the held-out part has no ground-truth box")
    if not sum(len(part.ground_truth.ground_truth) for part in tuned):
        raise InputError(f"{ground_truth}: no ground-truth box in the tuned part")
    warnings = _warnings([ground_truth, *caches], [part.name for part in tuned], has_held_out=bool(held_out))
    protocol = "auto" if choice.protocol.name == "custom" else choice.protocol.name
    return TuneData(tuple(tuned), tuple(held_out), protocol, warnings)


def _find_caches(paths: Sequence[Path]) -> dict[str, Path]:
    """Return sequence -> file; InputError for a missing path, a folder without caches, or two caches of a sequence."""
    found: dict[str, Path] = {}
    for path in paths:
        files = sorted(path.glob("[!.]*.npz")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path}: no detection cache (<sequence>.npz)")
        for file in files:
            if not file.is_file():
                raise InputError(f"{file}: no such file")
            if file.stem in found and not found[file.stem].samefile(file):
                raise InputError(f"{file}: {file.stem} has another cache, {found[file.stem]}")
            found[file.stem] = file
    return found


def _read_part(
    cfg: CfgNode, sequence: ScoredSequence, files: Mapping[str, Path], *, with_camera_motion: bool
) -> SequencePart:
    info = sequence.info
    path = files.get(info.name) or files.get(info.root.name)
    if path is None:
        raise InputError(f"--caches: none for {info.name} ({info.name}.npz); found {', '.join(sorted(files))}")
    cache = read_cache(path)
    last = int(cache.frame_numbers[-1]) if cache.frame_numbers is not None and len(cache) else len(cache)
    if last > info.length or (cache.frame_numbers is None and last < info.length):
        raise InputError(f"{path}: {last} frames, but {info.name} has {info.length}")
    prefix, length = cfg.PREDICT.REID_PREFIX, cache.embeddings.shape[1]
    if prefix > length:
        raise InputError(f"{path}: embeddings of {length} values, fewer than PREDICT.REID_PREFIX = {prefix}")
    cache = cache.truncate_embeddings(prefix) if prefix else cache
    inputs = _with_camera_motion(cfg, cache, path) if with_camera_motion else cache.tracker_inputs()
    return SequencePart(tuple(inputs), replace(sequence, info=replace(info, frame_rate=cache.frame_rate)))


def _with_camera_motion(cfg: CfgNode, cache: DetectionCache, path: Path) -> Iterator[TrackerInput]:
    """Yield the inputs with camera motion, which a trial may ignore."""
    has_motion = cache.camera_motion is not None
    if cfg.TRACKER.CAMERA_MOTION != "none":
        step = build_replay_motion_step(cfg, path.stem, cache=path, has_motion=has_motion)
        return map(step, cache.tracker_inputs())
    if not has_motion:
        raise InputError(f"--keys: TRACKER.CAMERA_MOTION: {path} contains no camera motion")
    return cache.tracker_inputs()


def _split(
    parts: Sequence[SequencePart], holdout: Sequence[str], *, seed: int
) -> tuple[list[SequencePart], list[SequencePart]]:
    """Return the tuned and the held-out sequences."""
    names = [part.name for part in parts]
    if holdout and all(name in names for name in holdout):
        stems = {_without_detector(name) for name in holdout}
        chosen = {name for name in names if _without_detector(name) in stems}
    else:
        fraction = _fraction(holdout, names)
        if len(parts) == 1:
            return _split_frames(parts[0], HELD_OUT_FRAMES if fraction is None else fraction)
        chosen = _draw(names, HELD_OUT_SEQUENCES if fraction is None else fraction, seed=seed)
    tuned = [part for part in parts if part.name not in chosen]
    if not tuned:
        raise InputError("--holdout: all sequences are held out, none is left to tune on")
    return tuned, [part for part in parts if part.name in chosen]


def _fraction(holdout: Sequence[str], names: Sequence[str]) -> float | None:
    """Return the given fraction, None for the default."""
    if not holdout:
        return None
    unknown = next(name for name in holdout if name not in names)
    try:
        fraction = float(holdout[0]) if len(holdout) == 1 else -1.0
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction < 1:
        expected = f"expected a fraction from 0 to below 1, or names among {', '.join(names)}"
        raise InputError(f"--holdout: {unknown} is not a sequence of --gt; {expected}")
    return fraction


def _draw(names: Sequence[str], fraction: float, *, seed: int) -> set[str]:
    """Return a fraction of the sequences, at least one and not all; copies for several detectors stay together."""
    if fraction == 0:
        return set()
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_without_detector(name), []).append(name)
    if len(groups) < 2:
        raise InputError("--holdout: all sequences are copies of one, for several detectors; use 0 or one copy")
    count = min(max(round(fraction * len(groups)), 1), len(groups) - 1)
    stems = make_rng(seed).permutation(sorted(groups))[:count]
    return {name for stem in stems.tolist() for name in groups[stem]}


def _without_detector(name: str) -> str:
    return re.sub(r"-(FRCNN|SDP|DPM)$", "", name)


def _split_frames(part: SequencePart, fraction: float) -> tuple[list[SequencePart], list[SequencePart]]:
    """Return the first frames of a sequence, and the last `fraction` of them."""
    length = part.ground_truth.info.length
    edge = length - round(fraction * length)
    if edge < 1:
        raise InputError(f"--holdout: {fraction:g} of {length} frames leaves none to tune on")
    tuned, held_out = (_cut(part, frames) for frames in (range(edge), range(edge, length)))
    return [tuned], [held_out] if held_out.inputs else []


def _cut(part: SequencePart, frames: range) -> SequencePart:
    kept = [each for each in part.inputs if frames.start < each.frame <= frames.stop]
    moved = tuple(replace(each, frame=each.frame - frames.start) for each in kept)
    return SequencePart(moved, cut_sequence(part.ground_truth, frames))


def _warnings(paths: Sequence[Path], names: Sequence[str], *, has_held_out: bool) -> tuple[str, ...]:
    found = []
    if not has_held_out:
        found.append("nothing is held out: the best score is measured on the data it was chosen on")
    folders = [name for path in paths for name in path.resolve().parts[-2:]]
    suspects = [name for name in dict.fromkeys([*names, *folders]) if _TEST_NAME.search(name)]
    if suspects:
        found.append(
            f"{', '.join(suspects)}: the name of a test or validation set; scores on a set that the tracker was tuned "
            "on are no longer test scores: tune on training sequences"
        )
    return tuple(found)


def _digest(part: SequencePart) -> str:
    info = part.ground_truth.info
    digest = hashlib.sha256(f"{part.name} {info.frame_rate} {info.length}".encode())
    for array in _arrays(part):
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _arrays(part: SequencePart) -> Iterator[npt.NDArray[Any]]:
    table = part.ground_truth.ground_truth
    yield from (table.frames, table.ids, table.boxes_tlwh, table.confidences, table.classes)
    for each in part.inputs:
        detections = each.detections
        yield np.array([each.frame, np.nan if each.time is None else each.time])
        yield from (detections.boxes_xyxy, detections.scores, detections.embeddings, detections.class_index)
        yield from (array for array in (each.camera_motion, each.can_initiate) if array is not None)
