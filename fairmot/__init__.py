"""FairMOT: one-shot multi-object tracking. Names are imported on first use, so that `import fairmot` is fast."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairmot.commands.predictor import load_predictor
    from fairmot.config.load import load_cfg
    from fairmot.engine.predictor import Predictor
    from fairmot.models.build import build_model
    from fairmot.models.weights import load_weights
    from fairmot.structures.detections import Detections
    from fairmot.structures.tracks import Tracks
    from fairmot.tracking.build import build_tracker
    from fairmot.tracking.options import TrackerOptions
    from fairmot.tracking.tracker import JointTracker

__version__ = "0.1.0"

_HOMES = {
    "load_cfg": "fairmot.config.load",
    "load_predictor": "fairmot.commands.predictor",
    "Predictor": "fairmot.engine.predictor",
    "build_model": "fairmot.models.build",
    "load_weights": "fairmot.models.weights",
    "build_tracker": "fairmot.tracking.build",
    "JointTracker": "fairmot.tracking.tracker",
    "TrackerOptions": "fairmot.tracking.options",
    "Detections": "fairmot.structures.detections",
    "Tracks": "fairmot.structures.tracks",
}

__all__ = [
    "Detections",
    "JointTracker",
    "Predictor",
    "TrackerOptions",
    "Tracks",
    "__version__",
    "build_model",
    "build_tracker",
    "load_cfg",
    "load_predictor",
    "load_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fairmot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
