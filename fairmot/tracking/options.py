"""The numbers and switches of a tracker; the defaults are the published ones."""

from dataclasses import dataclass, field

from fairmot.tracking.costs import GATE
from fairmot.tracking.kalman import BOX_MODELS, BoxModel

METRICS = ("cosine", "euclidean")
NOISES = ("fixed", "nsa")


@dataclass(frozen=True)
class SecondAssociation:
    """The association of low scores: tracks that are left over may take detections that no track would start from.

    threshold: a low score is above this, up to the tracker's `conf_threshold`.
    overlap_threshold: the highest 1 - IoU. Source: Zhang et al., ByteTrack (2022), algorithm 1.
    """

    threshold: float = 0.1
    overlap_threshold: float = 0.5


@dataclass(frozen=True)
class MotionOptions:
    """How tracks move between frames.

    state: `xyah` (centre, width / height, height; as published) or `xywh` (BoT-SORT).
    noise: of measurements; `fixed`, or `nsa` (times 1 - score, GIAOTracker, Du et al., 2021).
    dt_rate: frames a second whose spacing is one step of the filter; 0 for one step a frame, whatever the frame rate.
    frame_rate: of the frames; used with `dt_rate` where `update` is not told the time.
    reupdate: a lost track that is found is filtered again along the straight line between both sights (OC-SORT, Cao et
        al., 2023, section 4.1).
    """

    kalman_state: str = "xyah"
    measurement_noise: str = "fixed"
    kalman_rate: float = 0.0
    frame_rate: float = 30.0
    oru: bool = False

    def __post_init__(self) -> None:
        _choose("state", self.kalman_state, tuple(BOX_MODELS))
        _choose("noise", self.measurement_noise, NOISES)

    @property
    def box(self) -> BoxModel:
        """The filter's box."""
        return BOX_MODELS[self.kalman_state]

    def steps(self, frames: int, seconds: float | None) -> float:
        """Return how many steps of the filter `frames` frames are, `seconds` apart if that is known."""
        if not self.kalman_rate:
            return float(frames)
        return self.kalman_rate * (frames / self.frame_rate if seconds is None else seconds)


@dataclass(frozen=True)
class EmbeddingOptions:
    """How a track's embedding follows its detections'.

    momentum: share of the old one at a match.
    by_score: surer detections weigh more: the new share is times (score - threshold) / (1 - threshold), nothing below
        the threshold (Deep OC-SORT, Maggiolino et al., 2023, equations 2 and 3).
    """

    momentum: float = 0.9
    by_score: bool = False


@dataclass(frozen=True)
class GalleryOptions:
    """People who come back: a new track may take over the identity of one that ended.

    max_age: frames since its last sight. threshold: the highest cosine distance.
    """

    max_age: int
    threshold: float = 0.25


@dataclass(frozen=True)
class TrackerOptions:
    """What a tracker does; the defaults are the published tracker.

    conf_threshold: a detection needs a score above this; birth_threshold: and to start a track one above this too.
    max_lost: frames a lost track is kept.
    use_appearance: False sets the appearance cost to 0; the gate and the motion term stay.
    use_motion: False takes prediction, gate and motion term away: a track stays where it was seen.
    use_overlap: False leaves out the associations by overlap; tentative tracks are then confirmed by the first cost.
    metric: distance of embeddings, `cosine` or `euclidean`.
    gate: the highest squared Mahalanobis distance, of 4 degrees of freedom.
    motion_lambda: weight of appearance in the first association; 1 - lambda weighs the squared Mahalanobis distance.
    overlap_weight: weight of 1 - IoU beside them.
    appearance_threshold, overlap_threshold, unconfirmed_threshold: the highest cost of each association.
    fuse_score: costs of overlap are 1 - IoU * score (ByteTrack's code).
    low: the association of low scores, None for none.
    recovery_threshold: highest 1 - IoU of a last association, with the box of a track's last detection (OC-SORT, Cao et
        al., 2023, section 4.3); None for none.
    recovery_appearance: the highest cosine distance there; 2 for any.
    duplicate_distance: 1 - IoU below which a tracked and a lost box are one object.
    report_detections: tracks are told with the boxes of their detections instead of the filter's.
    """

    conf_threshold: float = 0.4
    birth_threshold: float = 0.0
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
        _choose("metric", self.metric, METRICS)
        if not (self.use_appearance or self.use_motion or self.use_overlap):
            raise ValueError("use_appearance, use_motion, use_overlap: all are off, nothing is left to associate by")


def _choose(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: unknown {value!r}; choose from {', '.join(choices)}")
