from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from fairmot.config.load import load_cfg
from fairmot.config.tracker_presets import PRESETS
from fairmot.structures.detections import Detections
from fairmot.tracking.build import build_camera_motion, build_filters, build_options, build_postprocess, build_tracker
from fairmot.tracking.camera_motion import EccMotion, FlowMotion
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.postprocess import PostprocessOptions
from fairmot.tracking.run import OutputFilters


def tracker(*pairs: str) -> list[str]:
    """Overrides of TRACKER keys."""
    return [f"TRACKER.{text}" if index % 2 == 0 else text for index, text in enumerate(pairs)]


def options(frame_rate: float, *overrides: str) -> TrackerOptions:
    return build_options(load_cfg(None, overrides), frame_rate=frame_rate)


def test_config_defaults_equal_constructor_defaults() -> None:
    assert options(30.0) == TrackerOptions()
    assert build_filters(load_cfg()) == OutputFilters()


def test_frame_rate_scales_the_buffer() -> None:
    assert options(14.0).max_lost == 14
    assert options(25.0, "TRACKER.BUFFER", "20").max_lost == 16
    assert options(60.0).max_lost == 60


def test_keys_reach_the_tracker_options() -> None:
    keys = {
        "CONF_THRESHOLD": "conf_threshold",
        "MOTION_LAMBDA": "motion_lambda",
        "MOTION_GATE": "gate",
        "APPEARANCE_THRESHOLD": "appearance_threshold",
        "OVERLAP_THRESHOLD": "overlap_threshold",
        "UNCONFIRMED_THRESHOLD": "unconfirmed_threshold",
        "DUPLICATE_DISTANCE": "duplicate_distance",
        "BIRTH_THRESHOLD": "initiation_threshold",
        "OVERLAP_WEIGHT": "overlap_weight",
    }
    for key, name in keys.items():
        assert getattr(options(30.0, f"TRACKER.{key}", "0.123"), name) == 0.123
    for name in ("use_appearance", "use_motion", "use_overlap"):
        assert getattr(options(30.0, f"TRACKER.{name.upper()}", "False"), name) is False
    assert options(30.0, "TRACKER.APPEARANCE_METRIC", "euclidean").metric == "euclidean"
    assert options(30.0, "TRACKER.FUSE_SCORE", "True").fuse_score
    assert options(30.0, "TRACKER.OUTPUT_BOX", "detection").report_detections


def test_keys_reach_the_options_of_parts() -> None:
    keys = ("KALMAN_STATE", "xywh", "MEASUREMENT_NOISE", "nsa", "KALMAN_RATE", "30", "ORU", "True")
    assert options(15.0, *tracker(*keys)).motion == MotionOptions("xywh", "nsa", 30.0, 15.0, oru=True)
    embedding = options(30.0, *tracker("EMBEDDING_MOMENTUM", "0.8", "EMBEDDING_UPDATE", "score"))
    assert embedding.embedding == EmbeddingOptions(0.8, by_score=True)
    second = options(
        30.0, *tracker("SECOND_ASSOCIATION", "True", "SECOND_THRESHOLD", "0.2", "SECOND_OVERLAP_THRESHOLD", "0.6")
    )
    assert second.second == SecondAssociation(0.2, 0.6)
    assert options(30.0, *tracker("OCR", "True", "OCR_THRESHOLD", "0.6")).ocr_threshold == 0.6
    assert options(30.0, *tracker("OCR_APPEARANCE", "0.3")).ocr_appearance_threshold == 0.3
    gallery = options(15.0, *tracker("GALLERY_BUFFER", "100", "GALLERY_THRESHOLD", "0.3"))
    assert gallery.gallery == GalleryOptions(65, 0.3)  # 15 frames of BUFFER, and 50


def test_keys_reach_filters_and_postprocess() -> None:
    filters = build_filters(load_cfg(None, ["TRACKER.MIN_AREA", "5", "TRACKER.MAX_ASPECT", "0"]))
    assert filters == OutputFilters(5.0, 0.0)
    assert build_postprocess(load_cfg()) is None
    keys = ("INTERPOLATE", "linear", "INTERPOLATE_GAP", "7", "INTERPOLATE_TAU", "3", "MIN_TRACK_LENGTH", "5")
    built = build_postprocess(load_cfg(None, tracker(*keys)))
    assert isinstance(built, partial)
    assert built.keywords["options"] == PostprocessOptions("linear", 7, 3.0, 5)
    assert build_postprocess(load_cfg(None, tracker("MIN_TRACK_LENGTH", "2"))) is not None


def test_camera_motion_is_built_by_name() -> None:
    assert build_camera_motion(load_cfg()) is None
    assert build_camera_motion(load_cfg(None, tracker("CAMERA_MOTION", "file", "CAMERA_FILE", "x"))) is None
    assert isinstance(build_camera_motion(load_cfg(None, tracker("CAMERA_MOTION", "flow"))), FlowMotion)
    assert isinstance(build_camera_motion(load_cfg(None, tracker("CAMERA_MOTION", "ecc"))), EccMotion)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_tracks_two_static_people(name: str) -> None:
    built = build_tracker(load_cfg(None, tracker("PRESET", name)))
    boxes = np.array([[100.0, 100, 140, 200], [300, 100, 340, 200]])
    for _ in range(4):
        assert built.update(Detections(boxes, np.full(2, 0.9), np.eye(2))).ids.tolist() == [1, 2]


def test_jde_preset_differs_in_metric_and_threshold() -> None:
    jde = options(30.0, *tracker("PRESET", "jde"))
    assert (jde.metric, jde.appearance_threshold) == ("euclidean", 0.7)
    assert replace(jde, metric="cosine", appearance_threshold=0.4) == TrackerOptions()
