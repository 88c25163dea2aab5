"""Tracker presets: the TRACKER keys in which each differs from the defaults.

A preset sets every TRACKER key except those of the detector and the data (KEPT); keys given with it take precedence.
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "fairmot": {},
    # Wang et al., Towards Real-Time Multi-Object Tracking (2020): Euclidean distances of unit embeddings
    "jde": {"APPEARANCE_METRIC": "euclidean", "APPEARANCE_THRESHOLD": 0.7},
    # Zhang et al., ByteTrack (2022), on FairMOT's detections: a second association of low scores
    "byte": {"SECOND_ASSOCIATION": True, "SECOND_THRESHOLD": 0.1, "SECOND_OVERLAP_THRESHOLD": 0.5},
    # Best on detections simulated from training sequences (docs/tracking_gains.md), not selected on the test sequences.
    # Camera motion needs the images, or a cache that contains it; the last three keys act after the last frame.
    "strong": {
        "SECOND_ASSOCIATION": True,
        "SECOND_THRESHOLD": 0.2,
        "SECOND_OVERLAP_THRESHOLD": 0.55,
        "BIRTH_THRESHOLD": 0.5,
        "BUFFER": 60,
        "OVERLAP_WEIGHT": 0.5,
        "APPEARANCE_THRESHOLD": 0.85,
        "OVERLAP_THRESHOLD": 0.4,
        "ORU": True,
        "CAMERA_MOTION": "flow",
        "OUTPUT_BOX": "detection",
        "INTERPOLATE": "linear",
        "INTERPOLATE_GAP": 30,
        "MIN_TRACK_LENGTH": 8,
    },
}


KEPT = ("PRESET", "CONF_THRESHOLD", "MIN_AREA", "MAX_ASPECT", "CAMERA_FILE", "CAMERA_MOTION_SIZE")


def preset_keys(name: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the keys and values that the preset `name` sets; `defaults`: those of all TRACKER keys."""
    return {key: PRESETS[name].get(key, value) for key, value in defaults.items() if key not in KEPT}
