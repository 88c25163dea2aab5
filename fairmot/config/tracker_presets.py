"""Named trackers: what each changes of the published defaults of the TRACKER keys.

A preset that a file or a command line names is a whole tracker: it sets every TRACKER key but those that belong to the
detector and the data (KEPT); keys that stand beside it win.
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "fairmot": {},
    # Wang et al., Towards Real-Time Multi-Object Tracking (2020): Euclidean distances of unit embeddings
    "jde": {"APPEARANCE_METRIC": "euclidean", "APPEARANCE_THRESHOLD": 0.7},
    # Zhang et al., ByteTrack (2022), on FairMOT's detections: a second association of low scores
    "byte": {"SECOND_ASSOCIATION": True, "SECOND_THRESHOLD": 0.1, "SECOND_OVERLAP_THRESHOLD": 0.5},
    # What measured best on detections made from training sequences (docs/tracking.md); it was not chosen on what it is
    # scored on. Camera motion needs the pictures, or a cache that holds it; the last three keys act at the end.
    "strong": {
        "SECOND_ASSOCIATION": True,
        "SECOND_THRESHOLD": 0.2,
        "SECOND_OVERLAP_THRESHOLD": 0.55,
        "INITIATION_THRESHOLD": 0.5,
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
    """Return the value of each key that the preset `name` sets; `defaults` are all TRACKER keys'."""
    return {key: PRESETS[name].get(key, value) for key, value in defaults.items() if key not in KEPT}
