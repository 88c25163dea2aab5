"""Table of the tracker's configuration keys, with the ranges in which `fairmot tune` searches them.

A key follows those that it needs.
"""

from fairmot.config.keys import Key, Search, fraction, switch
from fairmot.config.tracker_presets import PRESETS

TRACKER: dict[str, Key] = {
    "PRESET": Key("fairmot", "named set of the keys below (config/tracker_presets.py)", choices=tuple(PRESETS)),
    "CONF_THRESHOLD": fraction(0.4, "score threshold of detections in the first association", Search(0.2, 0.7, 0.01)),
    "BIRTH_THRESHOLD": fraction(0.0, "score threshold of detections that start a track", Search(0.0, 0.85, 0.01)),
    "BUFFER": Key(
        30, "time that a lost track is kept", minimum=0, unit="frames at 30 fps", search=Search(5, 150, log=True)
    ),
    # First association: appearance, motion, overlap
    "USE_APPEARANCE": Key(True, "False: the appearance cost is 0; motion gate and motion cost stay"),
    "USE_MOTION": Key(True, "False: no prediction, no motion gate, no motion cost"),
    "USE_OVERLAP": Key(True, "False: no association by overlap"),
    "APPEARANCE_METRIC": Key(
        "cosine",
        "distance of embeddings; euclidean is JDE's",
        choices=("cosine", "euclidean"),
        search=switch("USE_APPEARANCE"),
    ),
    "MOTION_GATE": Key(
        9.4877,
        "maximum squared Mahalanobis distance: the 95 % quantile of chi-square with four degrees of freedom",
        minimum=0,
        search=Search(4.0, 40.0, 0.5, needs=("USE_MOTION",), when="by name"),
    ),
    "MOTION_LAMBDA": fraction(
        0.98,
        "weight of appearance in the fused cost; the rest weights the Mahalanobis distance",
        Search(0.8, 1.0, 0.005, needs=("USE_APPEARANCE", "USE_MOTION")),
    ),
    "OVERLAP_WEIGHT": fraction(
        0.0, "weight of 1 - IoU in the fused cost", Search(0.0, 1.0, 0.05, when="when on", off=0.0)
    ),
    "APPEARANCE_THRESHOLD": Key(
        0.4, "maximum fused cost of a match", minimum=0, maximum=3, search=Search(0.1, 1.5, 0.01)
    ),
    # Associations by overlap
    "OVERLAP_THRESHOLD": fraction(
        0.5, "maximum 1 - IoU of a match by overlap", Search(0.2, 0.95, 0.01, needs=("USE_OVERLAP",))
    ),
    "FUSE_SCORE": Key(False, "cost 1 - IoU * score (ByteTrack)", search=switch("USE_OVERLAP")),
    "SECOND_ASSOCIATION": Key(
        False, "match remaining tracks to detections of low score (ByteTrack)", search=switch("USE_OVERLAP")
    ),
    "SECOND_THRESHOLD": fraction(
        0.1,
        "score threshold of detections in the second association",
        Search(0.1, 0.4, 0.01, needs=("USE_OVERLAP", "SECOND_ASSOCIATION")),
    ),
    "SECOND_OVERLAP_THRESHOLD": fraction(
        0.5,
        "maximum 1 - IoU of a match in the second association",
        Search(0.2, 0.95, 0.01, needs=("USE_OVERLAP", "SECOND_ASSOCIATION")),
    ),
    "OCR": Key(
        False,
        "observation-centric recovery: match remaining tracks by their last detection (OC-SORT)",
        search=switch("USE_OVERLAP"),
    ),
    "OCR_THRESHOLD": fraction(
        0.7, "maximum 1 - IoU of a match in the recovery", Search(0.2, 0.95, 0.01, needs=("USE_OVERLAP", "OCR"))
    ),
    "OCR_APPEARANCE": Key(
        2.0,
        "maximum cosine distance of a match in the recovery; 2 = any",
        minimum=0,
        maximum=3,
        search=Search(0.1, 2.0, 0.05, needs=("USE_APPEARANCE", "USE_OVERLAP", "OCR")),
    ),
    "UNCONFIRMED_THRESHOLD": fraction(
        0.7, "maximum 1 - IoU of a match of an unconfirmed track", Search(0.1, 0.95, 0.01, needs=("USE_OVERLAP",))
    ),
    "DUPLICATE_DISTANCE": fraction(
        0.15, "1 - IoU below which a lost and a tracked track are duplicates", Search(0.0, 0.4, 0.01, when="by name")
    ),
    # Motion
    "KALMAN_STATE": Key(
        "xyah",
        "state of the Kalman filter: center, aspect ratio and height, or center, width and height",
        choices=("xyah", "xywh"),
        search=switch("USE_MOTION"),
    ),
    "MEASUREMENT_NOISE": Key(
        "fixed",
        "measurement noise; nsa: smaller for high scores",
        choices=("fixed", "nsa"),
        search=switch("USE_MOTION"),
    ),
    "KALMAN_RATE": Key(
        0.0, "frame rate at which a frame is one time step of the filter; 0 = at any rate", minimum=0, unit="1/s"
    ),
    "ORU": Key(
        False, "observation-centric re-update of the filter after an occlusion (OC-SORT)", search=switch("USE_MOTION")
    ),
    # Embeddings
    "EMBEDDING_MOMENTUM": fraction(
        0.9, "momentum of the moving average of a track's embedding", Search(0.3, 0.98, 0.01, needs=("USE_APPEARANCE",))
    ),
    "EMBEDDING_UPDATE": Key(
        "fixed",
        "weight of a new embedding: fixed, or by its score",
        choices=("fixed", "score"),
        search=switch("USE_APPEARANCE"),
    ),
    "GALLERY_BUFFER": Key(
        0,
        "time that removed tracks are kept for re-identification; 0 = not at all",
        minimum=0,
        unit="frames at 30 fps",
        search=Search(0, 900, 30, needs=("USE_APPEARANCE",), when="when on", off=0),
    ),
    "GALLERY_THRESHOLD": fraction(
        0.25,
        "maximum cosine distance at which a new track is re-identified",
        Search(0.05, 0.6, 0.01, needs=("USE_APPEARANCE", "GALLERY_BUFFER")),
    ),
    # Camera motion
    "CAMERA_MOTION": Key(
        "none",
        "camera motion compensation: sparse optical flow, ECC, or affine matrices from a file",
        choices=("none", "flow", "ecc", "file"),
        search=switch(choices=("none", "flow")),
    ),
    "CAMERA_FILE": Key("", "file: the affine matrices, one file or a folder of `<sequence>.txt`"),
    "CAMERA_MOTION_SIZE": Key(
        640, "flow, ecc: longer side of the image on which motion is estimated", minimum=64, unit="px"
    ),
    # Output
    "OUTPUT_BOX": Key(
        "filter",
        "box of a track: the Kalman filter's, or the matched detection's",
        choices=("filter", "detection"),
        search=switch(),
    ),
    "MIN_AREA": Key(
        100.0,
        "minimum area of an output box; 0 = off",
        minimum=0,
        unit="px^2",
        search=Search(0.0, 2000.0, 50.0, when="by name"),
    ),
    "MAX_ASPECT": Key(
        1.6, "maximum width / height of an output box; 0 = off", minimum=0, search=Search(0.8, 3.0, 0.1, when="by name")
    ),
    "INTERPOLATE": Key(
        "none", "interpolation of gaps after the last frame", choices=("none", "linear", "gaussian"), search=switch()
    ),
    "INTERPOLATE_GAP": Key(
        20, "longest gap that is filled", minimum=0, unit="frames", search=Search(1, 60, needs=("INTERPOLATE",))
    ),
    "INTERPOLATE_TAU": Key(
        10.0,
        "gaussian: scale of the kernel length",
        above=1,
        search=Search(1.5, 50.0, 0.5, needs=("INTERPOLATE=gaussian",)),
    ),
    "MIN_TRACK_LENGTH": Key(
        0,
        "minimum length of a track, applied after the last frame",
        minimum=0,
        unit="frames",
        search=Search(0, 30, when="when on", off=0),
    ),
}
