"""CLEAR and identity scores and box events by motmetrics, as FairMOT-style scripts print them.

motmetrics gets the same preprocessed overlaps as TrackEval. It keeps a match across gaps where TrackEval considers the
previous frame only, so CLEAR counts differ (docs/evaluation.md); identity counts are equal.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from motmetrics import MOTAccumulator
from motmetrics.lap import set_default_solver
from motmetrics.metrics import create

from fairmot.evaluation.preprocess import MATCH_IOU, PreprocessedSequence
from fairmot.structures.report import EventTable

EVENT_KINDS = ("MATCH", "SWITCH", "MISS", "FP")
_NAMES = {
    "CLR_TP": "num_detections",
    "CLR_FP": "num_false_positives",
    "CLR_FN": "num_misses",
    "IDSW": "num_switches",
    "Frag": "num_fragmentations",
    "MT": "mostly_tracked",
    "PT": "partially_tracked",
    "ML": "mostly_lost",
    "IDTP": "idtp",
    "IDFP": "idfp",
    "IDFN": "idfn",
    "CLR_Frames": "num_frames",
    "MOTA": "mota",
    "CLR_Re": "recall",
    "CLR_Pr": "precision",
    "IDF1": "idf1",
    "IDP": "idp",
    "IDR": "idr",
}
_COUNTS = tuple(_NAMES)[:12]


def accumulate(sequence: PreprocessedSequence) -> MOTAccumulator:
    """Run motmetrics over a sequence, with distance 1 - IoU, pairs of IoU 0.5 and up, and identities of the files."""
    accumulator = MOTAccumulator(auto_id=False)
    with set_default_solver("lap"):
        for frame, (gt_labels, result_labels, ious) in enumerate(
            zip(sequence.gt_labels, sequence.result_labels, sequence.ious, strict=True), 1
        ):
            distances = np.where(ious < MATCH_IOU, np.nan, 1.0 - ious)
            accumulator.update(sequence.gt_ids[gt_labels], sequence.result_ids[result_labels], distances, frameid=frame)
    return accumulator


def event_table(accumulator: MOTAccumulator) -> EventTable:
    """Return the matches, switches, misses and false positives, by frame."""
    events = accumulator.mot_events
    events = events[events["Type"].isin(EVENT_KINDS)]
    return EventTable(
        frames=events.index.get_level_values("FrameId").to_numpy(np.int64),
        kinds=events["Type"].to_numpy(np.str_),
        gt_ids=events["OId"].fillna(-1).to_numpy(np.int64),
        result_ids=events["HId"].fillna(-1).to_numpy(np.int64),
        ious=1.0 - events["D"].to_numpy(np.float64),
    )


def format_events(events: EventTable) -> str:
    """Return the table as CSV: frame, event, truth_id, result_id, iou; columns that an event lacks are empty."""
    lines = ["frame,event,truth_id,result_id,iou\n"]
    columns = (events.frames, events.kinds, events.gt_ids, events.result_ids, events.ious)
    for frame, kind, gt_id, result_id, iou in zip(*(column.tolist() for column in columns), strict=True):
        matched = {"MISS": f"{gt_id},,", "FP": f",{result_id},"}.get(kind, f"{gt_id},{result_id},{iou:.6f}")
        lines.append(f"{frame},{kind},{matched}\n")
    return "".join(lines)


def motmetrics_scores(
    accumulators: Mapping[str, MOTAccumulator],
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return (combined, by sequence) under TrackEval's names, without HOTA.

    MOTP is 1 - motmetrics' `motp`, a mean distance. Ratios with a zero denominator are 0, as in TrackEval.
    """
    with set_default_solver("lap"):
        table: pd.DataFrame = create().compute_many(
            list(accumulators.values()),
            names=list(accumulators),
            metrics=[*_NAMES.values(), "motp"],
            generate_overall=True,
        )
    *sequences, combined = (_to_scores(row) for _, row in table.iterrows())
    matched = sum(row["CLR_TP"] for row in sequences)
    combined["MOTP"] = sum(row["MOTP"] * row["CLR_TP"] for row in sequences) / max(1.0, matched)
    return combined, dict(zip(accumulators, sequences, strict=True))


def _to_scores(row: Any) -> dict[str, float]:
    scores = {ours: _finite(row[theirs]) for ours, theirs in _NAMES.items()}
    scores |= {name: int(scores[name]) for name in _COUNTS}
    return scores | {"MOTP": _finite(1.0 - row["motp"])}


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
