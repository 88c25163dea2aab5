"""FairMOT: one-shot multi-object tracking, trained fairly. Names load on first use, so `import fairmot` is cheap."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load_cfg": "fairmot.config.load",
    "build_model": "fairmot.models.build",
    "load_weights": "fairmot.models.weights",
    "build_tracker": "fairmot.tracking.build",
    "Detections": "fairmot.structures.detections",
    "Tracks": "fairmot.structures.tracks",
}

__all__ = ["Detections", "Tracks", "__version__", "build_model", "build_tracker", "load_cfg", "load_weights"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fairmot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
