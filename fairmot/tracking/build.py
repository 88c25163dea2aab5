"""Builders of the tracker, the camera motion estimator and the postprocessing from the configuration."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fairmot.structures.sequence import BoxTable
from fairmot.tracking.camera_motion import CameraMotionEstimator, EccMotion, FlowMotion
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.postprocess import PostprocessOptions, postprocess
from fairmot.tracking.run import OutputFilters
from fairmot.tracking.tracker import JointTracker, Log, Timer

_BUFFER_RATE = 30.0  # frames per second of BUFFER and GALLERY_BUFFER


def build_tracker(
    cfg: Any, frame_rate: float = 30.0, *, log: Log | None = None, timer: Timer | None = None
) -> JointTracker:
    """Return a new tracker for one sequence.

    frame_rate: frames per second; scales TRACKER.BUFFER and GALLERY_BUFFER, which are given at 30.
    """
    return JointTracker(build_options(cfg, frame_rate), log=log, timer=timer)


def build_options(cfg: Any, frame_rate: float = 30.0) -> TrackerOptions:
    """Return the options of the TRACKER section at `frame_rate` (1/s)."""
    keys = cfg.TRACKER
    scale = frame_rate / _BUFFER_RATE
    # A gallery entry is kept for GALLERY_BUFFER after the track's removal, which is BUFFER after its latest match.
    gallery = GalleryOptions(int(scale * (keys.BUFFER + keys.GALLERY_BUFFER)), keys.GALLERY_THRESHOLD)
    motion = MotionOptions(keys.KALMAN_STATE, keys.MEASUREMENT_NOISE, keys.KALMAN_RATE, frame_rate, oru=keys.ORU)
    second = SecondAssociation(keys.SECOND_THRESHOLD, keys.SECOND_OVERLAP_THRESHOLD)
    return TrackerOptions(
        conf_threshold=keys.CONF_THRESHOLD,
        initiation_threshold=keys.BIRTH_THRESHOLD,
        max_lost=int(scale * keys.BUFFER),
        use_appearance=keys.USE_APPEARANCE,
        use_motion=keys.USE_MOTION,
        use_overlap=keys.USE_OVERLAP,
        metric=keys.APPEARANCE_METRIC,
        gate=keys.MOTION_GATE,
        motion_lambda=keys.MOTION_LAMBDA,
        overlap_weight=keys.OVERLAP_WEIGHT,
        appearance_threshold=keys.APPEARANCE_THRESHOLD,
        overlap_threshold=keys.OVERLAP_THRESHOLD,
        unconfirmed_threshold=keys.UNCONFIRMED_THRESHOLD,
        fuse_score=keys.FUSE_SCORE,
        second=second if keys.SECOND_ASSOCIATION else None,
        ocr_threshold=keys.OCR_THRESHOLD if keys.OCR else None,
        ocr_appearance_threshold=keys.OCR_APPEARANCE,
        duplicate_distance=keys.DUPLICATE_DISTANCE,
        report_detections=keys.OUTPUT_BOX == "detection",
        motion=motion,
        embedding=EmbeddingOptions(keys.EMBEDDING_MOMENTUM, by_score=keys.EMBEDDING_UPDATE == "score"),
        gallery=gallery if keys.GALLERY_BUFFER else None,
    )


def build_filters(cfg: Any) -> OutputFilters:
    """Return the filters of output boxes."""
    return OutputFilters(min_area=cfg.TRACKER.MIN_AREA, max_aspect=cfg.TRACKER.MAX_ASPECT)


def build_camera_motion(cfg: Any) -> CameraMotionEstimator | None:
    """Return a new estimator for one sequence, None for a static camera or motion from a file."""
    estimators: dict[str, Callable[..., CameraMotionEstimator]] = {"flow": FlowMotion, "ecc": EccMotion}
    estimator = estimators.get(cfg.TRACKER.CAMERA_MOTION)
    return estimator and estimator(side=cfg.TRACKER.CAMERA_MOTION_SIZE)


def build_postprocess(cfg: Any) -> Callable[[BoxTable], BoxTable] | None:
    """Return the postprocessing of a full sequence, None where it has no step."""
    keys = cfg.TRACKER
    gaps = (keys.INTERPOLATE, keys.INTERPOLATE_GAP, keys.INTERPOLATE_TAU)
    options = PostprocessOptions(*gaps, min_track_length=keys.MIN_TRACK_LENGTH)
    if options.interpolate == "none" and options.min_track_length <= 1:
        return None
    return partial(postprocess, options=options)
