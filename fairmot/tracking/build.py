"""From the configuration to a tracker and what goes with it; the only file of this package that reads it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fairmot.structures.sequence import BoxTable
from fairmot.tracking.camera_motion import CameraMotionEstimator, EccMotion, FlowMotion
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.postprocess import PostprocessOptions, postprocess
from fairmot.tracking.run import OutputFilters
from fairmot.tracking.tracker import JointTracker, Log, StageTimer

_PUBLISHED_RATE = 30.0  # frames a second that BUFFER and GALLERY count at


def build_tracker(
    cfg: Any, frame_rate: float = 30.0, *, log: Log | None = None, laps: StageTimer | None = None
) -> JointTracker:
    """Return a new tracker for one sequence; `frame_rate` (1/s) scales TRACKER.BUFFER and GALLERY, meant for 30."""
    return JointTracker(build_options(cfg, frame_rate), log=log, laps=laps)


def build_options(cfg: Any, frame_rate: float = 30.0) -> TrackerOptions:
    """Return what TRACKER says of tracking at `frame_rate` (1/s)."""
    keys = cfg.TRACKER
    return TrackerOptions(
        conf_threshold=keys.CONF_THRESHOLD,
        birth_threshold=keys.BIRTH_THRESHOLD,
        max_lost=int(frame_rate / _PUBLISHED_RATE * keys.BUFFER),
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
        second=_build_second(keys),
        ocr_threshold=_where(keys.OCR, keys.OCR_THRESHOLD),
        ocr_appearance_threshold=keys.OCR_APPEARANCE,
        duplicate_distance=keys.DUPLICATE_DISTANCE,
        report_detections=keys.OUTPUT_BOX == "detection",
        motion=_build_motion(keys, frame_rate),
        embedding=EmbeddingOptions(keys.EMBEDDING_MOMENTUM, by_score=keys.EMBEDDING_UPDATE == "score"),
        gallery=_build_gallery(keys, frame_rate),
    )


def build_filters(cfg: Any) -> OutputFilters:
    """Return the filters of output boxes."""
    return OutputFilters(min_area=cfg.TRACKER.MIN_AREA, max_aspect=cfg.TRACKER.MAX_ASPECT)


def build_camera_motion(cfg: Any) -> CameraMotionEstimator | None:
    """Return a new estimator for one sequence; None where the camera is taken to be at rest, or a file tells."""
    kind, side = cfg.TRACKER.CAMERA_MOTION, cfg.TRACKER.CAMERA_MOTION_SIZE
    estimators: dict[str, Callable[..., CameraMotionEstimator]] = {"flow": FlowMotion, "ecc": EccMotion}
    return estimators[kind](side=side) if kind in estimators else None


def build_postprocess(cfg: Any) -> Callable[[BoxTable], BoxTable] | None:
    """Return the steps after a sequence's last frame; None where there are none."""
    keys = cfg.TRACKER
    options = PostprocessOptions(
        min_track_length=keys.MIN_TRACK_LENGTH,
        interpolate=keys.INTERPOLATE,
        max_gap=keys.INTERPOLATE_GAP,
        tau=keys.INTERPOLATE_TAU,
    )
    does_nothing = options.interpolate == "none" and options.min_track_length <= 1
    return None if does_nothing else partial(postprocess, options=options)


def _build_second(keys: Any) -> SecondAssociation | None:
    second = SecondAssociation(keys.SECOND_THRESHOLD, keys.SECOND_OVERLAP_THRESHOLD)
    return second if keys.SECOND_ASSOCIATION else None


def _build_motion(keys: Any, frame_rate: float) -> MotionOptions:
    return MotionOptions(
        kalman_state=keys.KALMAN_STATE,
        measurement_noise=keys.MEASUREMENT_NOISE,
        kalman_rate=keys.KALMAN_RATE,
        frame_rate=frame_rate,
        oru=keys.ORU,
    )


def _build_gallery(keys: Any, frame_rate: float) -> GalleryOptions | None:
    """GALLERY counts from a track's end, which is BUFFER after its last sight."""
    gallery = GalleryOptions(
        int(frame_rate / _PUBLISHED_RATE * (keys.BUFFER + keys.GALLERY_BUFFER)), keys.GALLERY_THRESHOLD
    )
    return gallery if keys.GALLERY_BUFFER else None


def _where(switch: bool, value: float) -> float | None:
    return value if switch else None
