"""Options of a tracker; the defaults are those of the reference implementation."""

from dataclasses import dataclass, field

from fairmot.tracking.costs import GATE
from fairmot.tracking.kalman import BOX_MODELS, BoxModel

METRICS = ("cosine", "euclidean")
NOISES = ("fixed", "nsa")


@dataclass(frozen=True)
class SecondAssociation:
    """Association of unmatched tracks with detections of low score; these initiate no tracks.

    threshold: a low score is above this, up to the tracker's `conf_threshold`.
    overlap_threshold: highest 1 - IoU. Source: Zhang et al., ByteTrack (2022), algorithm 1.
    """

    threshold: float = 0.1
    overlap_threshold: float = 0.5


@dataclass(frozen=True)
class MotionOptions:
    """Options of the motion model.

    kalman_state: `xyah` (centre, width / height, height; as in the reference implementation) or `xywh` (BoT-SORT).
    measurement_noise: `fixed`, or `nsa` (times 1 - score, GIAOTracker, Du et al., 2021).
    kalman_rate: time steps of the Kalman filter per second; 0 for one per frame, whatever the frame rate.
    frame_rate: frames per second; used with `kalman_rate` where `update` gets no time.
    oru: observation-centric re-update of recovered tracks (OC-SORT, Cao et al., 2023, section 4.1).
    """

    kalman_state: str = "xyah"
    measurement_noise: str = "fixed"
    kalman_rate: float = 0.0
    frame_rate: float = 30.0
    oru: bool = False

    def __post_init__(self) -> None:
        require_choice("kalman_state", self.kalman_state, tuple(BOX_MODELS))
        require_choice("measurement_noise", self.measurement_noise, NOISES)

    @property
    def box(self) -> BoxModel:
        """Box model of the Kalman filter."""
        return BOX_MODELS[self.kalman_state]

    def steps(self, frames: int, seconds: float | None) -> float:
        """Return the time steps of `frames` frames, or of `seconds` where they are known."""
        if not self.kalman_rate:
            return float(frames)
        return self.kalman_rate * (frames / self.frame_rate if seconds is None else seconds)


@dataclass(frozen=True)
class EmbeddingOptions:
    """Moving average of a track's embeddings.

    momentum: weight of the old embedding at a match.
    by_score: the new weight is times (score - threshold) / (1 - threshold), 0 below the threshold (dynamic appearance
        of Deep OC-SORT, Maggiolino et al., 2023, equations 2 and 3).
    """

    momentum: float = 0.9
    by_score: bool = False


@dataclass(frozen=True)
class GalleryOptions:
    """Re-identification: a newly confirmed track may take over the identity of a removed one.

    max_age: frames since the latest match of the removed track. threshold: highest cosine distance.
    """

    max_age: int
    threshold: float = 0.25


@dataclass(frozen=True)
class TrackerOptions:
    """Options of a tracker.

    conf_threshold: lowest score of a detection, exclusive.
    initiation_threshold: lowest score of a detection that initiates a track, exclusive.
    max_lost: frames that a lost track is kept.
    use_appearance: False sets the appearance cost to 0; gate and motion term stay.
    use_motion: False disables prediction, gate and motion term: a track stays at its last detection.
    use_overlap: False disables the associations by overlap; tentative tracks are then confirmed by the first cost.
    metric: distance of embeddings, `cosine` or `euclidean`.
    gate: highest squared Mahalanobis distance, of 4 degrees of freedom.
    motion_lambda: weight of appearance in the first association; 1 - lambda weights the squared Mahalanobis distance.
    overlap_weight: weight of 1 - IoU in the same cost.
    appearance_threshold, overlap_threshold, unconfirmed_threshold: highest cost of each association.
    fuse_score: overlap costs are 1 - IoU * score (ByteTrack's code).
    second: second association, None for none.
    ocr_threshold: highest 1 - IoU of observation-centric recovery, an association by overlap with a track's last
        observation (OC-SORT, Cao et al., 2023, section 4.3); None for none.
    ocr_appearance_threshold: highest cosine distance there; 2 for any.
    duplicate_distance: 1 - IoU below which a tracked and a lost track are duplicates.
    report_detections: report the detections' boxes instead of the Kalman means.
    """

    conf_threshold: float = 0.4
    initiation_threshold: float = 0.0
    max_lost: int = 30
    use_appearance: bool = True
    use_motion: bool = True
    use_overlap: bool = True
    metric: str = "cosine"
    gate: float = GATE
    motion_lambda: float = 0.98
    overlap_weight: float = 0.0
    appearance_threshold: float = 0.4
    overlap_threshold: float = 0.5
    unconfirmed_threshold: float = 0.7
    fuse_score: bool = False
    second: SecondAssociation | None = None
    ocr_threshold: float | None = None
    ocr_appearance_threshold: float = 2.0
    duplicate_distance: float = 0.15
    report_detections: bool = False
    motion: MotionOptions = field(default_factory=MotionOptions)
    embedding: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    gallery: GalleryOptions | None = None

    def __post_init__(self) -> None:
        require_choice("metric", self.metric, METRICS)
        if not (self.use_appearance or self.use_motion or self.use_overlap):
            raise ValueError("use_appearance, use_motion, use_overlap: all are False; at least one must be True")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: unknown {value!r}; choose from {', '.join(choices)}")
