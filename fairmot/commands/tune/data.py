"""What a tuning works on: detection caches beside their truth, parted into what is tuned on and what is held out."""

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
from fairmot.evaluation.sequences import cut_sequence, read_truths
from fairmot.formats.detection_cache import DetectionCache, read_cache
from fairmot.structures.report import ScoredSequence
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

SHARE_OF_SEQUENCES, SHARE_OF_FRAMES = 0.25, 0.5  # held out where nothing else is said: of several, of the only one
_TEST_NAME = re.compile(r"(^|[^a-z])(test|testing|val|valid|validation)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """A sequence, or a run of its frames: what the tracker is told, and the truth (its results are empty)."""

    observations: tuple[TrackerInput, ...]
    truth: ScoredSequence

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.truth.info.name


@dataclass(frozen=True)
class TuneData:
    """The parts of a tuning's data, the rules to score them by (EVAL.PROTOCOL), and what the user is warned of.

    held_out is empty where nothing was held out.
    """

    tuned: tuple[Piece, ...]
    held_out: tuple[Piece, ...]
    protocol: str
    warnings: tuple[str, ...] = ()

    def digests(self) -> dict[str, dict[str, str]]:
        """Return part -> sequence -> a digest of its detections and truth: equal for equal data."""
        parts = {"tuned": self.tuned, "held out": self.held_out}
        return {part: {piece.name: _digest(piece) for piece in pieces} for part, pieces in parts.items()}


def read_tune_data(
    cfg: CfgNode, *, caches: Sequence[Path], truth: Path, holdout: Sequence[str], with_camera: bool = False
) -> TuneData:
    """Read the truth's sequences and the cache of each (`<sequence>.npz`, a file among `caches` or in a folder of it).

    holdout: names of sequences, or one share from 0 to below 1: of the sequences, drawn by SEED, or of the later
    frames of an only one; empty is a share of SHARE_OF_SEQUENCES or SHARE_OF_FRAMES. Copies of one sequence for
    several detectors are held out together. with_camera: the caches must hold the camera's motion.

    Raises InputError: a cache or truth that is missing, malformed or of another length; a wrong `holdout`.
    """
    sequences = read_truths(truth).sequences
    choice = choose_protocol(sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES)
    found = _find_caches(caches)
    pieces = []
    for sequence in sequences:
        check_sequence(sequence, choice.protocol, num_classes=len(cfg.DATA.CLASSES))
        pieces.append(_read_piece(cfg, sequence, found, with_camera=with_camera))
    tuned, held_out = _split(pieces, holdout, seed=cfg.SEED)
    if held_out and not sum(len(piece.truth.truth) for piece in held_out):
        raise InputError("--holdout: what is held out has no true box to be scored against")
    if not sum(len(piece.truth.truth) for piece in tuned):
        raise InputError(f"{truth}: no box of truth in the part to tune on")
    warnings = _warnings([truth, *caches], [piece.name for piece in tuned], has_held_out=bool(held_out))
    protocol = "auto" if choice.protocol.name == "own" else choice.protocol.name
    return TuneData(tuple(tuned), tuple(held_out), protocol, warnings)


def _find_caches(paths: Sequence[Path]) -> dict[str, Path]:
    """Return sequence -> file; InputError where there is no such path, no cache in a folder, or a sequence has two."""
    found: dict[str, Path] = {}
    for path in paths:
        files = sorted(path.glob("[!.]*.npz")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path}: no detection cache here (<sequence>.npz)")
        for file in files:
            if not file.is_file():
                raise InputError(f"{file}: no such file")
            if file.stem in found and not found[file.stem].samefile(file):
                raise InputError(f"{file}: {file.stem} has another cache, {found[file.stem]}")
            found[file.stem] = file
    return found


def _read_piece(cfg: CfgNode, sequence: ScoredSequence, found: Mapping[str, Path], *, with_camera: bool) -> Piece:
    info = sequence.info
    path = found.get(info.name) or found.get(info.root.name)
    if path is None:
        raise InputError(f"--caches: none for {info.name} ({info.name}.npz); there are {', '.join(sorted(found))}")
    cache = read_cache(path)
    last = int(cache.frame_numbers[-1]) if cache.frame_numbers is not None and len(cache) else len(cache)
    if last > info.length or (cache.frame_numbers is None and last < info.length):
        raise InputError(f"{path}: {last} frames, where {info.name} has {info.length}")
    prefix, length = cfg.PREDICT.REID_PREFIX, cache.embeddings.shape[1]
    if prefix > length:
        raise InputError(f"{path}: its embeddings have {length} values, fewer than PREDICT.REID_PREFIX = {prefix}")
    used = cache.truncate_embeddings(prefix) if prefix else cache
    seen = _with_camera(cfg, used, path) if with_camera else used.tracker_inputs()
    return Piece(tuple(seen), replace(sequence, info=replace(info, frame_rate=cache.frame_rate)))


def _with_camera(cfg: CfgNode, cache: DetectionCache, path: Path) -> Iterator[TrackerInput]:
    """Yield the observations with the camera's motion, which a trial may leave out."""
    has_motion = cache.camera_motion is not None
    if cfg.TRACKER.CAMERA_MOTION != "none":
        step = build_replay_motion_step(cfg, path.stem, cache=path, has_motion=has_motion)
        return map(step, cache.tracker_inputs())
    if not has_motion:
        raise InputError(f"--keys: TRACKER.CAMERA_MOTION: {path} holds no camera motion to search with")
    return cache.tracker_inputs()


def _split(pieces: Sequence[Piece], holdout: Sequence[str], *, seed: int) -> tuple[list[Piece], list[Piece]]:
    """Return (tuned on, held out)."""
    names = [piece.name for piece in pieces]
    share = _share(holdout, names)
    if share is None:
        stems = {_without_detector(name) for name in holdout}
        chosen = {name for name in names if _without_detector(name) in stems}
    elif len(pieces) == 1:
        return _cut(pieces[0], SHARE_OF_FRAMES if share < 0 else share)
    else:
        chosen = _draw(names, SHARE_OF_SEQUENCES if share < 0 else share, seed=seed)
    tuned = [piece for piece in pieces if piece.name not in chosen]
    if not tuned:
        raise InputError("--holdout: all sequences are held out, none is left to tune on")
    return tuned, [piece for piece in pieces if piece.name in chosen]


def _share(holdout: Sequence[str], names: Sequence[str]) -> float | None:
    """Return the share that is asked for, -1 for the usual one, None where sequences are named."""
    if not holdout:
        return -1.0
    unknown = [name for name in holdout if name not in names]
    if not unknown:
        return None
    try:
        share = float(holdout[0]) if len(holdout) == 1 else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        wanted = f"a share from 0 to below 1, or names among {', '.join(names)}"
        raise InputError(f"--holdout: {unknown[0]} is no sequence here; wanted is {wanted}")
    return share


def _draw(names: Sequence[str], share: float, *, seed: int) -> set[str]:
    """Return the names of a share of the sequences, one at least and all but one at most; copies stay together."""
    if share == 0:
        return set()
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_without_detector(name), []).append(name)
    if len(groups) < 2:
        raise InputError(
            "--holdout: all sequences are copies of one, for several detectors; give 0 or only one of them"
        )
    count = min(max(round(share * len(groups)), 1), len(groups) - 1)
    stems = make_rng(seed).permutation(sorted(groups))[:count]
    return {name for stem in stems.tolist() for name in groups[stem]}


def _without_detector(name: str) -> str:
    return re.sub(r"-(FRCNN|SDP|DPM)$", "", name)


def _cut(piece: Piece, share: float) -> tuple[list[Piece], list[Piece]]:
    """Part a sequence's frames: the earlier ones to tune on, the last `share` of them held out."""
    length = piece.truth.info.length
    edge = length - round(share * length)
    if edge < 1:
        raise InputError(f"--holdout: {share:g} of {length} frames leaves none to tune on")
    parts = [_frames(piece, range(edge)), _frames(piece, range(edge, length))]
    return parts[:1], [part for part in parts[1:] if part.observations]


def _frames(piece: Piece, places: range) -> Piece:
    kept = [seen for seen in piece.observations if places.start < seen.frame <= places.stop]
    moved = tuple(replace(seen, frame=seen.frame - places.start) for seen in kept)
    return Piece(moved, cut_sequence(piece.truth, places))


def _warnings(paths: Sequence[Path], names: Sequence[str], *, has_held_out: bool) -> tuple[str, ...]:
    found = []
    if not has_held_out:
        found.append("nothing is held out: the best score is of the data it was chosen on, and says nothing of others")
    folders = [part for path in paths for part in path.resolve().parts[-2:]]
    suspects = [name for name in dict.fromkeys([*names, *folders]) if _TEST_NAME.search(name)]
    if suspects:
        found.append(
            f"{', '.join(suspects)}: this looks like a test or validation set; scores on a set that the tracker was "
            "tuned on are no longer a test: tune on training sequences"
        )
    return tuple(found)


def _digest(piece: Piece) -> str:
    found = hashlib.sha256(f"{piece.name} {piece.truth.info.frame_rate} {piece.truth.info.length}".encode())
    for array in _arrays(piece):
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def _arrays(piece: Piece) -> Iterator[npt.NDArray[Any]]:
    table = piece.truth.truth
    yield from (table.frames, table.ids, table.boxes_tlwh, table.confidences, table.classes)
    for seen in piece.observations:
        boxes = seen.detections
        yield np.array([seen.frame, np.nan if seen.time is None else seen.time])
        yield from (boxes.boxes_xyxy, boxes.scores, boxes.embeddings, boxes.class_index)
        yield from (array for array in (seen.camera_motion, seen.can_initiate) if array is not None)
