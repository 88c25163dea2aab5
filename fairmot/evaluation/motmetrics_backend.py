"""motmetrics: the event of each box, and the numbers that FairMOT-style scripts print.

motmetrics is fed the same prepared overlaps as TrackEval. It keeps a pairing alive across gaps where TrackEval looks
one frame back only, so that its CLEAR counts differ (see docs/evaluation.md); its identity counts do not.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from motmetrics import MOTAccumulator
from motmetrics.lap import set_default_solver
from motmetrics.metrics import create

from fairmot.evaluation.preprocess import MATCH_IOU, PreparedSequence
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


def accumulate(prepared: PreparedSequence) -> MOTAccumulator:
    """Run motmetrics over a sequence: distance 1 - IoU, pairs below IoU 0.5 barred, identities as in the files."""
    accumulator = MOTAccumulator(auto_id=False)
    with set_default_solver("lap"):
        for frame, (truths, results, ious) in enumerate(
            zip(prepared.truth_labels, prepared.result_labels, prepared.ious, strict=True), 1
        ):
            distances = np.where(ious < MATCH_IOU, np.nan, 1.0 - ious)
            accumulator.update(prepared.truth_ids[truths], prepared.result_ids[results], distances, frameid=frame)
    return accumulator


def event_table(accumulator: MOTAccumulator) -> EventTable:
    """Return the matches, switches, misses and false positives by frame."""
    events = accumulator.mot_events
    events = events[events["Type"].isin(EVENT_KINDS)]
    return EventTable(
        frames=events.index.get_level_values("FrameId").to_numpy(np.int64),
        kinds=events["Type"].to_numpy(np.str_),
        truth_ids=events["OId"].fillna(-1).to_numpy(np.int64),
        result_ids=events["HId"].fillna(-1).to_numpy(np.int64),
        ious=1.0 - events["D"].to_numpy(np.float64),
    )


def format_events(events: EventTable) -> str:
    """Return the table as CSV: frame, event, truth_id, result_id, iou; what an event does not have stays empty."""
    columns = (events.frames, events.kinds, events.truth_ids, events.result_ids, events.ious)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return "frame,event,truth_id,result_id,iou\n" + "".join(_event_line(*row) for row in rows)


def _event_line(frame: int, kind: str, truth_id: int, result_id: int, iou: float) -> str:
    if kind == "MISS":
        return f"{frame},{kind},{truth_id},,\n"
    if kind == "FP":
        return f"{frame},{kind},,{result_id},\n"
    return f"{frame},{kind},{truth_id},{result_id},{iou:.6f}\n"


def motmetrics_scores(
    accumulators: Mapping[str, MOTAccumulator],
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return (combined, by sequence) under TrackEval's names where motmetrics means the same; it has no HOTA.

    MOTP is 1 - motmetrics' `motp`, a mean distance. What is undefined (a ratio over nothing) is 0, as in TrackEval.
    """
    with set_default_solver("lap"):
        table: pd.DataFrame = create().compute_many(
            list(accumulators.values()),
            names=list(accumulators),
            metrics=[*_NAMES.values(), "motp"],
            generate_overall=True,
        )
    rows = [_to_scores(row) for _, row in table.iterrows()]
    *sequences, combined = rows
    matched = sum(row["CLR_TP"] for row in sequences)
    combined["MOTP"] = sum(row["MOTP"] * row["CLR_TP"] for row in sequences) / max(1.0, matched)
    return combined, dict(zip(accumulators, sequences, strict=True))


def _to_scores(row: Any) -> dict[str, float]:
    scores: dict[str, float] = {ours: _finite(row[theirs]) for ours, theirs in _NAMES.items()}
    for name in _COUNTS:
        scores[name] = int(scores[name])
    return scores | {"MOTP": _finite(1.0 - row["motp"])}


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
