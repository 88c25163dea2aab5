"""From the configuration to a tracker; the only file of this package that reads it."""

from typing import Any

from fairmot.tracking.run import OutputFilters
from fairmot.tracking.tracker import JointTracker, TrackerOptions

_TRACKERS = {"fairmot": JointTracker}  # by TRACKER.PRESET


def build_tracker(cfg: Any, frame_rate: float = 30.0) -> JointTracker:
    """Return a new tracker for one sequence; `frame_rate` (1/s) scales TRACKER.BUFFER, which counts frames at 30."""
    keys = cfg.TRACKER
    options = TrackerOptions(
        conf_threshold=keys.CONF_THRESHOLD,
        max_lost=int(frame_rate / 30.0 * keys.BUFFER),
        motion_lambda=keys.MOTION_LAMBDA,
        use_appearance=keys.USE_APPEARANCE,
        appearance_threshold=keys.APPEARANCE_THRESHOLD,
        overlap_threshold=keys.OVERLAP_THRESHOLD,
        unconfirmed_threshold=keys.UNCONFIRMED_THRESHOLD,
        embedding_momentum=keys.EMBEDDING_MOMENTUM,
        duplicate_distance=keys.DUPLICATE_DISTANCE,
    )
    return _TRACKERS[keys.PRESET](options)


def build_filters(cfg: Any) -> OutputFilters:
    """Return the filters of output boxes."""
    return OutputFilters(min_area=cfg.TRACKER.MIN_AREA, max_aspect=cfg.TRACKER.MAX_ASPECT)
