"""One trial of a tuning: track with a configuration, refine, score."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fairmot.commands.tune.data import Piece
from fairmot.config.load import cfg_from_dict
from fairmot.evaluation.evaluator import Evaluator
from fairmot.structures.report import ScoredSequence
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_filters, build_postprocess, build_tracker
from fairmot.tracking.run import to_table, track_sequence

SCORES = ("HOTA", "IDF1", "MOTA", "IDSW")
Scores = dict[str, float]


@dataclass(frozen=True)
class TrialBench:
    """What trials run on: the whole configuration as plain dicts, and pieces of sequences by part."""

    tree: Mapping[str, Any]
    parts: Mapping[str, Sequence[Piece]]
    protocol: str

    def run(self, part: str, values: Mapping[str, Any]) -> Scores:
        """Return SCORES, of all pieces of `part` together, and `seconds`; `values` take the place of TRACKER keys."""
        started = time.perf_counter()
        cfg = cfg_from_dict({**self.tree, "TRACKER": {**self.tree["TRACKER"], **values}})
        tracked = [track_piece(cfg, piece) for piece in self.parts[part]]
        report = Evaluator(self.protocol, classes=tuple(cfg.DATA.CLASSES)).evaluate(tracked)
        scores = {name: float(report.combined[name]) for name in SCORES}
        return {**scores, "seconds": round(time.perf_counter() - started, 3)}


def track_piece(cfg: Any, piece: Piece) -> ScoredSequence:
    """Return the piece with the results that a replay of it would write, offline steps and output filters included."""
    seen: Iterable[TrackerInput] = piece.observations
    if cfg.TRACKER.CAMERA_MOTION == "none":
        seen = (replace(each, camera_motion=None) for each in seen)
    tracker = build_tracker(cfg, frame_rate=piece.truth.info.frame_rate)
    tracks = track_sequence(seen, tracker, filters=build_filters(cfg))
    table = to_table(tracks, num_classes=cfg.MODEL.NUM_CLASSES)
    refine = build_postprocess(cfg)
    return replace(piece.truth, results=table if refine is None else refine(table))
