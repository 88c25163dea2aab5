"""Table of the tracker's configuration keys, with the ranges in which `fairmot tune` searches them.

A key follows those that it needs.
"""

from fairmot.config.keys import Key, Search, choice, fraction, switch
from fairmot.config.tracker_presets import PRESETS

TIME = "frames at 30 fps"

# Keys without which a searched one has no effect
APPEARANCE, OVERLAP = ("USE_APPEARANCE",), ("USE_OVERLAP",)
SECOND, RECOVERY = (*OVERLAP, "SECOND_ASSOCIATION"), (*OVERLAP, "OCR")
BY_APPEARANCE, MOTION = switch(*APPEARANCE), switch("USE_MOTION")
CAMERA = switch(choices=("none", "flow"))
COST = Search(0.1, 1.5, 0.01)
GATE = Search(4.0, 40.0, 0.5, needs=("USE_MOTION",), when="by name")
WEIGHT = Search(0.0, 1.0, 0.05, when="when on", off=0.0)
LAMBDA = Search(0.8, 1.0, 0.005, needs=("USE_APPEARANCE", "USE_MOTION"))
DISTANCE = Search(0.1, 2.0, 0.05, needs=("USE_APPEARANCE", *RECOVERY))
DUPLICATES = Search(0.0, 0.4, 0.01, when="by name")
GALLERY = Search(0, 900, 30, needs=APPEARANCE, when="when on", off=0)
GALLERY_DISTANCE = Search(0.05, 0.6, 0.01, needs=(*APPEARANCE, "GALLERY_BUFFER"))
AREA = Search(0.0, 2000.0, 50.0, when="by name")
ASPECT = Search(0.8, 3.0, 0.1, when="by name")
GAP = Search(1, 60, needs=("INTERPOLATE",))
TAU = Search(1.5, 50.0, 0.5, needs=("INTERPOLATE=gaussian",))
LENGTH = Search(0, 30, when="when on", off=0)

TRACKER: dict[str, Key] = {
    "PRESET": choice(tuple(PRESETS), "named set of the keys below (config/tracker_presets.py)"),
    "CONF_THRESHOLD": fraction(0.4, "score threshold of detections in the first association", Search(0.2, 0.7, 0.01)),
    "BIRTH_THRESHOLD": fraction(0.0, "score threshold of detections that start a track", Search(0.0, 0.85, 0.01)),
    "BUFFER": Key(30, "time that a lost track is kept", minimum=0, unit=TIME, search=Search(5, 150, log=True)),
    # First association: appearance, motion, overlap
    "USE_APPEARANCE": Key(True, "False: the appearance cost is 0; motion gate and motion cost stay"),
    "USE_MOTION": Key(True, "False: no prediction, no motion gate, no motion cost"),
    "USE_OVERLAP": Key(True, "False: no association by overlap"),
    "APPEARANCE_METRIC": choice(("cosine", "euclidean"), "distance of embeddings; euclidean is JDE's", BY_APPEARANCE),
    "MOTION_GATE": Key(9.4877, "maximum squared Mahalanobis distance (95 % quantile)", minimum=0, search=GATE),
    "MOTION_LAMBDA": fraction(0.98, "weight of appearance in the fused cost; the rest weights motion", LAMBDA),
    "OVERLAP_WEIGHT": fraction(0.0, "weight of 1 - IoU in the fused cost", WEIGHT),
    "APPEARANCE_THRESHOLD": Key(0.4, "maximum fused cost of a match", minimum=0, maximum=3, search=COST),
    # Associations by overlap
    "OVERLAP_THRESHOLD": fraction(0.5, "maximum 1 - IoU of a match by overlap", Search(0.2, 0.95, 0.01, needs=OVERLAP)),
    "FUSE_SCORE": Key(False, "cost 1 - IoU * score (ByteTrack)", search=switch(*OVERLAP)),
    "SECOND_ASSOCIATION": Key(False, "match remaining tracks to low scores (ByteTrack)", search=switch(*OVERLAP)),
    "SECOND_THRESHOLD": fraction(0.1, "score threshold of that association", Search(0.1, 0.4, 0.01, needs=SECOND)),
    "SECOND_OVERLAP_THRESHOLD": fraction(0.5, "its maximum 1 - IoU of a match", Search(0.2, 0.95, 0.01, needs=SECOND)),
    "OCR": Key(False, "observation-centric recovery: match last observations (OC-SORT)", search=switch(*OVERLAP)),
    "OCR_THRESHOLD": fraction(0.7, "maximum 1 - IoU in the recovery", Search(0.2, 0.95, 0.01, needs=RECOVERY)),
    "OCR_APPEARANCE": Key(2.0, "maximum cosine distance in the recovery", minimum=0, maximum=3, search=DISTANCE),
    "UNCONFIRMED_THRESHOLD": fraction(0.7, "maximum 1 - IoU, tentative tracks", Search(0.1, 0.95, 0.01, needs=OVERLAP)),
    "DUPLICATE_DISTANCE": fraction(0.15, "1 - IoU below which a lost and a tracked track are duplicates", DUPLICATES),
    # Motion
    "KALMAN_STATE": choice(("xyah", "xywh"), "center, aspect ratio and height; or center, width and height", MOTION),
    "MEASUREMENT_NOISE": choice(("fixed", "nsa"), "measurement noise; nsa: smaller for high scores", MOTION),
    "KALMAN_RATE": Key(0.0, "frame rate with one time step per frame; 0 = at any rate", minimum=0, unit="1/s"),
    "ORU": Key(False, "observation-centric re-update of the filter after an occlusion (OC-SORT)", search=MOTION),
    # Embeddings
    "EMBEDDING_MOMENTUM": fraction(0.9, "momentum of the mean embedding", Search(0.3, 0.98, 0.01, needs=APPEARANCE)),
    "EMBEDDING_UPDATE": choice(("fixed", "score"), "weight of a new embedding: fixed, or by its score", BY_APPEARANCE),
    "GALLERY_BUFFER": Key(0, "time that removed tracks are kept; 0 = not at all", minimum=0, unit=TIME, search=GALLERY),
    "GALLERY_THRESHOLD": fraction(0.25, "maximum cosine distance of a re-identification", GALLERY_DISTANCE),
    # Camera motion
    "CAMERA_MOTION": choice(("none", "flow", "ecc", "file"), "compensation: optical flow, ECC, CAMERA_FILE", CAMERA),
    "CAMERA_FILE": Key("", "file: the affine matrices, one file or a folder of `<sequence>.txt`"),
    "CAMERA_MOTION_SIZE": Key(640, "flow, ecc: longer side of the image that is read", minimum=64, unit="px"),
    # Output
    "OUTPUT_BOX": choice(("filter", "detection"), "the Kalman filter's box, or the matched detection's", switch()),
    "MIN_AREA": Key(100.0, "minimum area of an output box; 0 = off", minimum=0, unit="px^2", search=AREA),
    "MAX_ASPECT": Key(1.6, "maximum width / height of an output box; 0 = off", minimum=0, search=ASPECT),
    "INTERPOLATE": choice(("none", "linear", "gaussian"), "interpolation of gaps after the last frame", switch()),
    "INTERPOLATE_GAP": Key(20, "longest gap that is filled", minimum=0, unit="frames", search=GAP),
    "INTERPOLATE_TAU": Key(10.0, "gaussian: scale of the kernel length", above=1, search=TAU),
    "MIN_TRACK_LENGTH": Key(0, "minimum length of an output track", minimum=0, unit="frames", search=LENGTH),
}
