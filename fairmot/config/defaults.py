"""Table of all configuration keys but the tracker's. The defaults are those of FairMOT's reference implementation.

Sizes are (height, width).
"""

from fairmot.config.keys import Key, choice, fraction
from fairmot.config.node import CfgNode
from fairmot.config.tracker_keys import TRACKER

Section = dict[str, Key]

ARCHITECTURES = "dla_34, dlav0_34, dlaconv_34, resdcn_18, resdcn_34, resdcn_50, resfpndcn_34, hrnet_18, hrnet_32, yolo"

MODEL: Section = {
    "BACKBONE": Key("dla_34", "network architecture", values=ARCHITECTURES),
    "WIDTH": Key(1.0, "channel multiplier of backbone and neck", above=0),
    "REID_DIM": Key(64, "embedding dimension", above=0),
    "REID_NESTED": Key((), "further embedding dimensions, trained as prefixes (Matryoshka)", above=0, item=int),
    "REID_SAMPLING": choice(("center", "center_bi", "roi_align", "pos_anchor"), "point at which the embedding is read"),
    "HEAD_CHANNELS": Key(256, "width of the hidden layer of each head; limited to 64 for yolo", above=0),
    "NUM_CLASSES": Key(1, "number of object classes", above=0),
    "HEATMAP_BIAS": Key(-2.19, "initial bias of the heatmap head; the default gives a probability of 0.1"),
    "NORM": choice(("batch", "sync", "frozen"), "batch norm: per process, over all GPUs, or frozen"),
    "WEIGHTS": Key("", "file or http(s) URL of initial weights; empty = random"),
    "WEIGHTS_SHA256": Key("", "SHA-256 digest of WEIGHTS; empty = not checked", values="at least its first 8 digits"),
}

INPUT: Section = {
    "SIZE_HW": Key((608, 1088), "network input, padded up to a multiple of 32", minimum=32, unit="px"),
    "UNDO": choice(("published", "exact"), "mapping of boxes to the image; published: the reference implementation's"),
}

DATA: Section = {
    "ROOT": Key("data", "folder that TRAIN and VAL are relative to"),
    "TRAIN": Key((".",), "training data: names of datasets, folders or annotation files", item=str),
    "VAL": Key((), "validation data: names of datasets or folders of sequences", item=str),
    "CLASSES": Key(("pedestrian",), "class names, MODEL.NUM_CLASSES of them", item=str),
    "WORKERS": Key(2, "data loader processes; without effect on random draws", minimum=0),
    "MAX_OBJECTS": Key(500, "maximum number of objects in an image", above=0),
    "IMAGES_PER_SEQUENCE": Key(1, "group size: images of the same sequence in a batch; 1 = no grouping", above=0),
    "FRAME_LIMIT": Key(0, "first frames of each training sequence to use; 0 = all", minimum=0, unit="frames"),
    "CACHE": Key("", "folder of the label index; empty = the user's cache folder"),
    "CHECK": Key(True, "check labels before training; errors stop it"),
    "REBUILD_INDEX": Key(False, "read all labels again instead of the cached index"),
    "MAX_BAD_IMAGES": Key(10, "unreadable images that are skipped before training stops", minimum=0, unit="images"),
    "TARGETS": choice(("host", "device"), "where heatmap targets are drawn"),
    "PREFETCH": Key(True, "copy the next batch to the GPU during the current step"),
}

AUGMENT: Section = {
    "ENABLED": Key(True, "augment training images"),
    "SATURATION": Key(0.5, "maximum relative change of saturation", minimum=0),
    "VALUE": Key(0.5, "maximum relative change of brightness", minimum=0),
    "ROTATION": Key(5.0, "maximum rotation", minimum=0, unit="degrees"),
    "TRANSLATION": Key(0.1, "maximum translation, as a fraction of the image size", minimum=0),
    "SCALE": Key((0.5, 1.2), "range of the scale", above=0),
    "SHEAR": Key(2.0, "maximum shear", minimum=0, unit="degrees"),
    "FLIP": fraction(0.5, "probability of a horizontal flip"),
    "IMPLEMENTATION": choice(("fast", "full"), "one warp of a reduced decode, or the reference's steps"),
    "TRANSLATION_AXES": choice(("correct", "published"), "published: x drawn from the height, y from the width"),
    "MOSAIC": fraction(0.0, "probability of a mosaic of four images"),
    "MIXUP": fraction(0.0, "probability of mixup with another image"),
    "ERASE": fraction(0.0, "probability of random erasing"),
    "BLUR": fraction(0.0, "probability of motion or defocus blur"),
    "JPEG": fraction(0.0, "probability of JPEG artifacts"),
    "OUT_OF_FRAME": choice(("published", "drop"), "boxes moved out of the image: kept at its border, or dropped"),
}

LOSS: Section = {
    "HEATMAP_WEIGHT": Key(1.0, "weight of the heatmap loss", minimum=0),
    "OFFSET_WEIGHT": Key(1.0, "weight of the offset loss", minimum=0),
    "SIZE_WEIGHT": Key(0.1, "weight of the size loss", minimum=0),
    "BALANCE": choice(("uncertainty", "fixed", "gradnorm", "mgda_ub", "pcgrad"), "weighting of detection and identity"),
    "START_DET": Key(-1.85, "uncertainty: initial log variance of detection"),
    "START_ID": Key(-1.05, "uncertainty: initial log variance of identity"),
    "TASK_WEIGHTS": Key((1.0, 1.0), "fixed, pcgrad: weights of detection and identity, not both 0", minimum=0),
    "GRADNORM_ALPHA": Key(1.5, "gradnorm: strength of the pull towards equal training rates", minimum=0),
    "GRADNORM_LR": Key(0.025, "gradnorm: learning rate of the task weights", above=0),
    "MGDA_NORM": choice(("none", "l2", "loss"), "mgda_ub: divisor of a task's gradient: none, its norm, or the loss"),
    "IDENTITY": choice(("cross_entropy", "focal", "triplet", "circle", "partial_fc"), "identity loss"),
    "FOCAL_GAMMA": Key(2.0, "focal: exponent of the weight (1 - p)", minimum=0),
    "TRIPLET_MARGIN": Key(0.3, "triplet: margin between distances of unit embeddings", minimum=0),
    "CIRCLE_MARGIN": Key(0.25, "circle: relaxation m", minimum=0),
    "CIRCLE_SCALE": Key(64.0, "circle: scale gamma", above=0),
    "SAMPLE_RATE": Key(0.1, "partial_fc: fraction of the identities in a step's softmax", above=0, maximum=1),
}

SOLVER: Section = {
    "OPTIMIZER": choice(("adam", "adamw", "sgd"), "optimizer"),
    "BASE_LR": Key(1e-4, "learning rate", above=0),
    "BACKBONE_LR": Key(1.0, "learning rate of the backbone, relative to BASE_LR", above=0),
    "MOMENTUM": Key(0.9, "sgd: momentum", minimum=0, below=1),
    "WEIGHT_DECAY": Key(0.0, "weight decay of weights; norms, biases and loss weights have none", minimum=0),
    "FUSED": Key(True, "one kernel updates all parameters; False = one kernel per parameter"),
    "BATCH_SIZE": Key(12, "images per optimizer step, over all processes and accumulation steps", above=0),
    "ACCUMULATION_STEPS": Key(1, "parts of a process's batch whose gradients are summed", above=0),
    "EPOCHS": Key(30, "training epochs", above=0, unit="epochs"),
    "SCHEDULE": choice(("step", "cosine"), "learning rate schedule"),
    "MILESTONES": Key((20,), "step: epochs, counted from 1, after which the rate drops", minimum=1, item=int),
    "GAMMA": Key(0.1, "step: factor of each drop", above=0),
    "FINAL_LR": fraction(0.0, "cosine: final rate, as a fraction of the first"),
    "WARMUP": Key(0, "length of the warm-up; 0 = none", minimum=0, unit="steps"),
    "WARMUP_POWER": Key(1.0, "exponent of the warm-up: `1` = linear, `4` = JDE's burn-in", above=0),
    "CLIP_NORM": Key(0.0, "maximum gradient norm; 0 = no clipping", minimum=0),
    "PRECISION": choice(("fp32", "bf16", "fp16"), "precision of the network; losses and weights stay float32"),
    "CHANNELS_LAST": Key(True, "channels-last memory format"),
    "COMPILE": Key(False, "compile the network; the first steps take minutes"),
    "EMA_DECAY": Key(0.0, "decay of the averaged weights used for validation; 0 = none", minimum=0, below=1),
    "MAX_NONFINITE_STEPS": Key(0, "non-finite steps that a run skips before it stops", minimum=0, unit="steps"),
    "MAX_STEPS": Key(0, "total number of optimizer steps; 0 = no limit", minimum=0, unit="steps"),
    "LOG_EVERY": Key(10, "interval of TensorBoard scalars", above=0, unit="steps"),
    "FAIRNESS_EVERY": Key(100, "interval of the task gradient statistics; 0 = never", minimum=0, unit="steps"),
    "SAMPLE_IMAGES_EVERY": Key(1, "interval of TensorBoard sample images; 0 = never", minimum=0, unit="epochs"),
    "VAL_EVERY": Key(5, "interval of validation; 0 = never", minimum=0, unit="epochs"),
    "SAVE_EVERY": Key(1, "interval of writing last.pt", above=0, unit="epochs"),
    "SAVE_EVERY_STEPS": Key(0, "interval of writing last.pt within an epoch; 0 = never", minimum=0, unit="steps"),
}

PREDICT: Section = {
    "TOP_K": Key(500, "maximum number of detections in an image", above=0),
    "MIN_SCORE": fraction(0.1, "minimum score of a detection"),
    "REID_PREFIX": Key(0, "leading values of the embedding that are used; 0 = all", minimum=0),
    "HEADS": choice(("sparse", "dense"), "size, offset and embedding at the peaks, or on the full map; equal results"),
}

SOURCE: Section = {
    "RECONNECT": Key(10, "consecutive attempts to open a stream again; 0 = none", minimum=0),
    "RECONNECT_WAIT": Key(1.0, "wait before the first attempt, then doubled up to 30", minimum=0, unit="s"),
    "TIMEOUT": Key(10.0, "time without a frame after which a stream counts as lost", above=0, unit="s"),
    "DROP": choice(("auto", "never", "always"), "drop the oldest waiting frame; auto = for cameras and streams"),
}

VIDEO: Section = {
    "CODEC": choice(("h264", "vp9"), "codec of annotated videos: h264 (mp4) or vp9 (webm)"),
    "QUALITY": Key(23, "constant rate factor, lower is better; h264: at most 51", minimum=0, maximum=63),
    "TRAIL": Key(30, "length of the drawn trajectories", above=0, unit="frames"),
}

EVAL: Section = {
    "PROTOCOL": choice(("auto", "mot15", "mot16", "mot17", "mot20"), "benchmark rules; auto = by the sequence names"),
    "BACKEND": choice(("trackeval", "motmetrics"), "scoring library"),
    "REID": Key(False, "eval --weights: also measure re-identification at the ground truth boxes"),
    "EVENTS": Key(True, "write py-motmetrics' event table of each sequence"),
}

DATASET: Section = {
    "LAYOUT": choice(("auto", "mot", "crowdhuman", "jde", "coco", "yolo", "csv"), "format of the labels"),
    "ROOT": Key("", "folder or annotation file, relative to DATA.ROOT; default: the dataset's name"),
    "LABELS": Key("", "annotation file or image list, relative to ROOT; empty = the layout's default"),
    "IMAGES": Key("", "image folder, relative to ROOT; empty = the layout's default"),
    "SPLIT": choice(("whole", "first_half", "second_half"), "frames of each sequence"),
    "HALF": choice(("published", "centertrack"), "first half of n frames: `int(n / 2)`, or CenterTrack's `n // 2 + 1`"),
    "SEQUENCES": Key((), "names or patterns (`MOT17-0[24]*`) of sequences; empty = all", item=str),
    "FRAMES": Key((0, 0), "first and last frame of each sequence, counted from 1; `0` = no limit", unit="frames"),
    "BOX": choice(("full", "visible", "head"), "crowdhuman: kind of box"),
    "IDENTITY": choice(("labels", "box", "none"), "identities: of the labels, one per box (still images), or none"),
    "CLIP": Key(False, "clip boxes to the image"),
    "DETECTOR": choice(("auto", "DPM", "FRCNN", "SDP"), "copy of each MOT17 sequence to use"),
}
"""Keys of `DATA.SETS.<name>`."""

GENERAL: Section = {
    "SEED": Key(317, "random seed", minimum=0),
    "DEVICE": Key("auto", "auto = a GPU where there is one", values="auto, cpu, cuda, cuda:N"),
    "OUTPUT": Key("runs/default", "output folder"),
}

SECTIONS = {
    "MODEL": MODEL,
    "INPUT": INPUT,
    "DATA": DATA,
    "AUGMENT": AUGMENT,
    "LOSS": LOSS,
    "SOLVER": SOLVER,
    "PREDICT": PREDICT,
    "SOURCE": SOURCE,
    "TRACKER": TRACKER,
    "VIDEO": VIDEO,
    "EVAL": EVAL,
}

KEYS = {f"{name}.{key}": entry for name, keys in SECTIONS.items() for key, entry in keys.items()} | GENERAL
"""Every key by its full name, apart from those of DATA.SETS."""


def default_cfg() -> CfgNode:
    """Return a new, unfrozen tree of the defaults."""
    sections = {name: default_node(keys) for name, keys in SECTIONS.items()}
    sections["DATA"]["SETS"] = CfgNode()
    return CfgNode({**sections, **default_node(GENERAL)})


def default_node(keys: Section) -> CfgNode:
    """Return a new, unfrozen node of the defaults of one section."""
    return CfgNode({name: key.default for name, key in keys.items()})
