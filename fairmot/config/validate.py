"""Values that have the right type and still make no sense: found before any work starts."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from fairmot.config.derived import embedding_lengths
from fairmot.config.node import CfgNode
from fairmot.config.tracker_presets import PRESETS
from fairmot.utils.errors import InputError

CHOICES: dict[str, tuple[str, ...]] = {
    "INPUT.UNDO": ("published", "exact"),
    "AUGMENT.IMPLEMENTATION": ("fast", "full"),
    "AUGMENT.TRANSLATION_AXES": ("correct", "published"),
    "AUGMENT.OUT_OF_FRAME": ("published", "drop"),
    "EVAL.PROTOCOL": ("auto", "mot15", "mot16", "mot17", "mot20"),
    "EVAL.BACKEND": ("trackeval", "motmetrics"),
    "PREDICT.HEADS": ("sparse", "dense"),
    "SOURCE.DROP": ("auto", "never", "always"),
    "TRACKER.PRESET": tuple(PRESETS),
    "TRACKER.APPEARANCE_METRIC": ("cosine", "euclidean"),
    "TRACKER.KALMAN_STATE": ("xyah", "xywh"),
    "TRACKER.MEASUREMENT_NOISE": ("fixed", "nsa"),
    "TRACKER.EMBEDDING_UPDATE": ("fixed", "score"),
    "TRACKER.OUTPUT_BOX": ("filter", "detection"),
    "TRACKER.CAMERA_MOTION": ("none", "flow", "ecc", "file"),
    "TRACKER.INTERPOLATE": ("none", "linear", "gaussian"),
    "VIDEO.CODEC": ("h264", "vp9"),
    "DATA.TARGETS": ("host", "device"),
    "MODEL.REID_SAMPLING": ("center", "center_bi", "roi_align", "pos_anchor"),
    "LOSS.BALANCE": ("uncertainty", "fixed", "gradnorm", "mgda_ub", "pcgrad"),
    "LOSS.MGDA_NORM": ("none", "l2", "loss"),
    "LOSS.IDENTITY": ("cross_entropy", "focal", "triplet", "circle", "partial_fc"),
    "MODEL.NORM": ("batch", "sync", "frozen"),
    "SOLVER.OPTIMIZER": ("adam", "adamw", "sgd"),
    "SOLVER.SCHEDULE": ("step", "cosine"),
    "SOLVER.PRECISION": ("fp32", "bf16", "fp16"),
}

DATA_SET_CHOICES: dict[str, tuple[str, ...]] = {
    "LAYOUT": ("auto", "mot", "crowdhuman", "jde", "coco", "yolo", "csv"),
    "SPLIT": ("whole", "first_half", "second_half"),
    "HALF": ("published", "centertrack"),
    "BOX": ("full", "visible", "head"),
    "IDENTITY": ("labels", "box", "none"),
    "DETECTOR": ("auto", "DPM", "FRCNN", "SDP"),
}

POSITIVE = [
    "MODEL.WIDTH",
    "MODEL.REID_DIM",
    "MODEL.HEAD_CHANNELS",
    "MODEL.NUM_CLASSES",
    "DATA.MAX_OBJECTS",
    "DATA.IMAGES_PER_SEQUENCE",
    "LOSS.GRADNORM_LR",
    "LOSS.CIRCLE_SCALE",
    "SOLVER.BASE_LR",
    "SOLVER.BACKBONE_LR",
    "SOLVER.BATCH_SIZE",
    "SOLVER.ACCUMULATION_STEPS",
    "SOLVER.WARMUP_POWER",
    "SOLVER.EPOCHS",
    "SOLVER.GAMMA",
    "SOLVER.LOG_EVERY",
    "SOLVER.SAVE_EVERY",
    "PREDICT.TOP_K",
    "SOURCE.TIMEOUT",
    "VIDEO.TRAIL",
]

NOT_NEGATIVE = [
    "SEED",
    "DATA.WORKERS",
    "DATA.FRAME_LIMIT",
    "DATA.MAX_BAD_IMAGES",
    "AUGMENT.SATURATION",
    "AUGMENT.VALUE",
    "AUGMENT.ROTATION",
    "AUGMENT.TRANSLATION",
    "AUGMENT.SHEAR",
    "LOSS.HEATMAP_WEIGHT",
    "LOSS.OFFSET_WEIGHT",
    "LOSS.SIZE_WEIGHT",
    "LOSS.GRADNORM_ALPHA",
    "LOSS.FOCAL_GAMMA",
    "LOSS.TRIPLET_MARGIN",
    "LOSS.CIRCLE_MARGIN",
    "SOLVER.FAIRNESS_EVERY",
    "PREDICT.REID_PREFIX",
    "SOLVER.WEIGHT_DECAY",
    "SOLVER.CLIP_NORM",
    "SOLVER.WARMUP",
    "SOLVER.MAX_NONFINITE_STEPS",
    "SOLVER.SAVE_EVERY_STEPS",
    "SOLVER.MAX_STEPS",
    "SOLVER.SAMPLE_IMAGES_EVERY",
    "SOLVER.VAL_EVERY",
    "SOURCE.RECONNECT",
    "SOURCE.RECONNECT_WAIT",
    "TRACKER.BUFFER",
    "TRACKER.KALMAN_RATE",
    "TRACKER.MOTION_GATE",
    "TRACKER.GALLERY_BUFFER",
    "TRACKER.INTERPOLATE_GAP",
    "TRACKER.MIN_TRACK_LENGTH",
    "TRACKER.MIN_AREA",
    "TRACKER.MAX_ASPECT",
]

SHARES = [
    "SOLVER.FINAL_LR",
    "AUGMENT.FLIP",
    "AUGMENT.MOSAIC",
    "AUGMENT.MIXUP",
    "AUGMENT.ERASE",
    "AUGMENT.BLUR",
    "AUGMENT.JPEG",
    "PREDICT.MIN_SCORE",
    "TRACKER.CONF_THRESHOLD",
    "TRACKER.INITIATION_THRESHOLD",
    "TRACKER.SECOND_THRESHOLD",
    "TRACKER.MOTION_LAMBDA",
    "TRACKER.OVERLAP_WEIGHT",
    "TRACKER.SECOND_OVERLAP_THRESHOLD",
    "TRACKER.OCR_THRESHOLD",
    "TRACKER.GALLERY_THRESHOLD",
    "TRACKER.OVERLAP_THRESHOLD",
    "TRACKER.UNCONFIRMED_THRESHOLD",
    "TRACKER.EMBEDDING_MOMENTUM",
    "TRACKER.DUPLICATE_DISTANCE",
]


def validate_cfg(cfg: CfgNode) -> None:
    """Raise InputError naming the first key whose value makes no sense."""
    choices = CHOICES | {
        f"DATA.SETS.{name}.{key}": among for name in cfg.DATA.SETS for key, among in DATA_SET_CHOICES.items()
    }
    for name, among in choices.items():
        value = _get(cfg, name)
        if value not in among:
            raise InputError(f"{name}: unknown {value!r}; choose from {', '.join(among)}")
    _check(cfg, POSITIVE, lambda value: value > 0, "must be above 0")
    _check(cfg, NOT_NEGATIVE, lambda value: value >= 0, "must be 0 or more")
    _check(cfg, SHARES, lambda value: 0 <= value <= 1, "must be between 0 and 1")
    _check(cfg, ["SOLVER.MILESTONES"], lambda epochs: all(epoch >= 1 for epoch in epochs), "must be epochs, from 1")
    _check(cfg, ["SOLVER.MOMENTUM", "SOLVER.EMA_DECAY"], lambda value: 0 <= value < 1, "must be 0 or more and below 1")
    _check(cfg, ["INPUT.SIZE_HW"], lambda size: min(size) >= 32, "must be at least 32 x 32 (height, width)")
    _check(cfg, ["AUGMENT.SCALE"], lambda pair: 0 < pair[0] <= pair[1], "must be a range (low, high) above 0")
    _check(cfg, ["LOSS.SAMPLE_RATE"], lambda share: 0 < share <= 1, "must be above 0 and at most 1")
    _check(cfg, ["LOSS.TASK_WEIGHTS"], lambda pair: min(pair) >= 0 < max(pair), "must be 0 or more, and not both 0")
    _check(cfg, ["MODEL.REID_NESTED"], _are_lengths, "must be different lengths above 0")
    _check(cfg, ["DATA.TRAIN"], lambda names: len(names) > 0, "must name at least one data set or folder")
    worst = {"h264": 51, "vp9": 63}[cfg.VIDEO.CODEC]
    _check(cfg, ["VIDEO.QUALITY"], lambda quality: 0 <= quality <= worst, f"must be between 0 and {worst}")
    _check(cfg, ["TRACKER.INTERPOLATE_TAU"], lambda tau: tau > 1, "must be above 1")
    costs = ["TRACKER.APPEARANCE_THRESHOLD", "TRACKER.OCR_APPEARANCE"]
    _check(cfg, costs, lambda cost: 0 <= cost <= 3, "must be between 0 and 3")
    _check(cfg, ["TRACKER.CAMERA_MOTION_SIZE"], lambda side: side >= 64, "must be at least 64 pixels")
    _check(cfg, ["DATA.CLASSES"], lambda names: len(set(names)) == len(names) > 0, "must be different names")
    _check(
        cfg,
        ["MODEL.WEIGHTS_SHA256"],
        _is_digest,
        "must be 8 to 64 hexadecimal digits (in quotes)",
    )
    longest = max(embedding_lengths(cfg))
    if longest < cfg.PREDICT.REID_PREFIX:
        found = f"PREDICT.REID_PREFIX = {cfg.PREDICT.REID_PREFIX}"
        raise InputError(f"{found} is more than the {longest} values of the embedding")
    if not (cfg.TRACKER.USE_APPEARANCE or cfg.TRACKER.USE_MOTION or cfg.TRACKER.USE_OVERLAP):
        raise InputError("TRACKER.USE_APPEARANCE, USE_MOTION, USE_OVERLAP: one of them must stay True")
    if cfg.TRACKER.CAMERA_MOTION == "file" and not cfg.TRACKER.CAMERA_FILE:
        raise InputError("TRACKER.CAMERA_FILE: TRACKER.CAMERA_MOTION file needs one")
    if cfg.LOSS.BALANCE == "mgda_ub" and cfg.SOLVER.ACCUMULATION_STEPS > 1:
        raise InputError(
            "SOLVER.ACCUMULATION_STEPS must be 1 with LOSS.BALANCE mgda_ub, which weighs a batch before it learns"
        )
    _check(cfg, ["DEVICE"], _is_device, "is not a device; choose from auto, cpu, cuda, cuda:N")


def _is_device(name: str) -> bool:
    kind, _, index = name.partition(":")
    return name in ("auto", "cpu", "cuda") or (kind == "cuda" and index.isdigit())


def _are_lengths(lengths: Sequence[int]) -> bool:
    return all(length > 0 for length in lengths) and len(set(lengths)) == len(lengths)


def _is_digest(text: str) -> bool:
    return not text or re.fullmatch(r"[0-9a-fA-F]{8,64}", text) is not None


def _check(cfg: CfgNode, names: list[str], holds: Callable[[Any], bool], rule: str) -> None:
    for name in names:
        value = _get(cfg, name)
        if not holds(value):
            raise InputError(f"{name} = {value!r} {rule}")


def _get(cfg: CfgNode, name: str) -> Any:
    """Return a value by its full name; a data set's own name may hold points."""
    node: Any = cfg
    for part in _parts(name):
        node = node[part]
    return node


def _parts(name: str) -> list[str]:
    if not name.startswith("DATA.SETS."):
        return name.split(".")
    middle, _, key = name.removeprefix("DATA.SETS.").rpartition(".")
    return ["DATA", "SETS", middle, key]
