"""Every configuration key, with its default: the published FairMOT.

Sizes are (height, width). A key's type is its default's type; `fairmot.config.load` checks it.
"""

from fairmot.config.node import CfgNode


def default_cfg() -> CfgNode:
    """Return a fresh, unfrozen tree of defaults."""
    return CfgNode(
        {
            "MODEL": CfgNode(
                {
                    "BACKBONE": "dla_34",
                    "WIDTH": 1.0,  # channel multiplier of backbone and neck
                    "REID_DIM": 64,  # embedding dimension
                    "REID_NESTED": (),  # lengths whose first values are trained as embeddings too, e.g. (512, 256, 64)
                    "REID_SAMPLING": "center",  # where it is read: center | center_bi | roi_align | pos_anchor
                    "HEAD_CHANNELS": 256,  # width of each head's hidden layer; at most 64 for yolo, as published
                    "NUM_CLASSES": 1,
                    "HEATMAP_BIAS": -2.19,  # start: every cell an object with probability 0.1
                    "NORM": "batch",  # batch norms: batch | sync (over all GPUs) | frozen (as they were loaded)
                    "WEIGHTS": "",  # file or http(s) URL to start training from, "" for random weights
                    "WEIGHTS_SHA256": "",  # its digest, or the first 8 digits or more; "" = not checked
                }
            ),
            "INPUT": CfgNode(
                {
                    "SIZE_HW": (608, 1088),  # network input, height and width, padded up to a multiple of 32
                    "UNDO": "published",  # how boxes return to the image: published | exact
                }
            ),
            "DATA": CfgNode(
                {
                    "ROOT": "data",  # folder that TRAIN and VAL are relative to
                    "TRAIN": (".",),  # what to train on: names of data sets (docs/data.md), folders, annotation files
                    "VAL": (),  # sequences to score while training: names of data sets or folders
                    "SETS": CfgNode(),  # SETS.<name>.<KEY>: changes a data set or makes one; keys in data_sets.py
                    "CLASSES": ("pedestrian",),  # names of the MODEL.NUM_CLASSES classes
                    "WORKERS": 2,  # loader processes; changes no draw
                    "MAX_OBJECTS": 500,  # objects an image at most (the published K)
                    "IMAGES_PER_SEQUENCE": 1,  # images of one sequence in a batch; 1 = any, as published
                    "FRAME_LIMIT": 0,  # first frames of each training sequence to use; 0 = all
                    "CACHE": "",  # folder for indexes of the labels; "" = the user's cache folder
                    "CHECK": True,  # look through labels before training; errors stop it
                    "REBUILD_INDEX": False,  # read all labels again, whatever the cache holds
                    "MAX_BAD_IMAGES": 10,  # images that cannot be read: so many are skipped before a run stops
                    "TARGETS": "host",  # where heatmap targets are drawn: host | device
                    "PREFETCH": True,  # copy the next batch to a GPU while it works on this one
                }
            ),
            "AUGMENT": CfgNode(
                {
                    "ENABLED": True,
                    "SATURATION": 0.5,  # S and V are scaled by 1 +- this
                    "VALUE": 0.5,
                    "ROTATION": 5.0,  # degrees
                    "TRANSLATION": 0.1,  # share of the image's width and height
                    "SCALE": (0.5, 1.2),
                    "SHEAR": 2.0,  # degrees
                    "FLIP": 0.5,  # probability
                    "IMPLEMENTATION": "fast",  # fast (one warp from a reduced decode) | full (the published steps)
                    "TRANSLATION_AXES": "correct",  # correct | published (x drawn from the height, y from the width)
                    # Beyond the paper, each the probability for an image (docs/data.md says what they cost):
                    "MOSAIC": 0.0,
                    "MIXUP": 0.0,
                    "ERASE": 0.0,
                    "BLUR": 0.0,
                    "JPEG": 0.0,
                    "OUT_OF_FRAME": "published",  # boxes warped out of the image: published (kept at its border) | drop
                }
            ),
            "LOSS": CfgNode(
                {
                    "HEATMAP_WEIGHT": 1.0,
                    "OFFSET_WEIGHT": 1.0,
                    "SIZE_WEIGHT": 0.1,
                    "BALANCE": "uncertainty",  # of the two tasks: uncertainty | fixed | gradnorm | mgda_ub | pcgrad
                    "START_DET": -1.85,  # uncertainty: log variances at the start
                    "START_ID": -1.05,
                    "TASK_WEIGHTS": (1.0, 1.0),  # fixed, pcgrad: of detection and of identity
                    "GRADNORM_ALPHA": 1.5,  # gradnorm: how much a task that lags is favoured
                    "GRADNORM_LR": 0.025,  # gradnorm: the task weights' own rate
                    "MGDA_NORM": "none",  # mgda_ub: what losses are divided by: none | l2 (gradient norm) | loss
                    "IDENTITY": "cross_entropy",  # cross_entropy | focal | triplet | circle | partial_fc
                    "FOCAL_GAMMA": 2.0,  # focal: weight (1 - p) ** this
                    "TRIPLET_MARGIN": 0.3,  # triplet: between distances of unit embeddings
                    "CIRCLE_MARGIN": 0.25,  # circle: relaxation m
                    "CIRCLE_SCALE": 64.0,  # circle: scale gamma
                    "SAMPLE_RATE": 0.1,  # partial_fc: share of the identities that a step's softmax runs over
                }
            ),
            "SOLVER": CfgNode(
                {
                    "OPTIMIZER": "adam",  # adam | adamw | sgd
                    "BASE_LR": 1e-4,
                    "BACKBONE_LR": 1.0,  # the backbone's rate is BASE_LR times this
                    "MOMENTUM": 0.9,  # of sgd
                    "WEIGHT_DECAY": 0.0,  # of weights; norms, biases and the loss weights have none
                    "FUSED": True,  # one kernel updates all parameters; False: one after another, as published
                    "BATCH_SIZE": 12,  # images an optimiser step, over all processes and ACCUMULATION_STEPS parts
                    "ACCUMULATION_STEPS": 1,  # parts of each process's share whose gradients are summed: less memory
                    "EPOCHS": 30,
                    "SCHEDULE": "step",  # step (as published) | cosine
                    "MILESTONES": (20,),  # step: epochs (counted from 1) after which the rate drops
                    "GAMMA": 0.1,  # step: what it is multiplied by
                    "FINAL_LR": 0.0,  # cosine: the last rate, as a share of the first
                    "WARMUP": 0,  # steps over which the rate rises to its full height; 0 = none, as published
                    "WARMUP_POWER": 1.0,  # the rise's power: 1 a straight line, 4 JDE's burn-in
                    "CLIP_NORM": 0.0,  # largest gradient norm; 0 = no clipping, as published
                    "PRECISION": "fp32",  # of the network: fp32 | bf16 | fp16; losses and weights stay float32
                    "CHANNELS_LAST": True,  # kernels and maps lie channels last
                    "COMPILE": False,  # compile the network: the first steps take minutes
                    "EMA_DECAY": 0.0,  # decay of the averaged weights used for validation; 0 = none, as published
                    "MAX_NONFINITE_STEPS": 0,  # steps of a run whose loss may be not finite and are left out; 0 = stop
                    "MAX_STEPS": 0,  # optimiser steps in all; 0 = no limit
                    "LOG_EVERY": 10,  # steps between TensorBoard scalars
                    "FAIRNESS_EVERY": 100,  # steps between readings of the fairness meter; 0 = never
                    "SAMPLE_IMAGES_EVERY": 1,  # epochs between TensorBoard sample images; 0 = never
                    "VAL_EVERY": 5,  # epochs between validations; 0 = never
                    "SAVE_EVERY": 1,  # epochs between writes of the last checkpoint
                    "SAVE_EVERY_STEPS": 0,  # steps between writes within an epoch; 0 = none
                }
            ),
            "PREDICT": CfgNode(
                {
                    "TOP_K": 500,  # peaks read from a heatmap at most
                    "MIN_SCORE": 0.1,  # detections below this leave the predictor no more
                    "REID_PREFIX": 0,  # embeddings' first values that are used; 0 = all
                    "HEADS": "sparse",  # where the other heads run: sparse | dense (the whole map); equal results
                }
            ),
            "SOURCE": CfgNode(
                {
                    "RECONNECT": 10,  # attempts in a row to open a stream again; 0 = never
                    "RECONNECT_WAIT": 1.0,  # seconds before the first of them, doubled each time, up to 30
                    "TIMEOUT": 10.0,  # seconds without a frame before a stream counts as lost
                    "DROP": "auto",  # the oldest frame when too many wait: auto (cameras and streams) | never | always
                }
            ),
            "TRACKER": CfgNode(
                {
                    "PRESET": "fairmot",  # fairmot | jde | byte | strong: sets keys below (config/tracker_presets.py)
                    "CONF_THRESHOLD": 0.4,  # a detection needs a score above this
                    "INITIATION_THRESHOLD": 0.0,  # a new track needs a score above this too
                    "BUFFER": 30,  # frames at 30 fps that a lost track is kept
                    # First association: appearance, motion, overlap
                    "USE_APPEARANCE": True,  # False sets the appearance cost to 0; gate and motion stay
                    "USE_MOTION": True,  # False: no prediction, no gate, no motion cost
                    "USE_OVERLAP": True,  # False leaves the associations by overlap out
                    "APPEARANCE_METRIC": "cosine",  # cosine | euclidean (JDE's)
                    "MOTION_GATE": 9.4877,  # highest squared Mahalanobis distance: 95 % of chi-square, 4 degrees
                    "MOTION_LAMBDA": 0.98,  # weight of appearance; 1 - lambda is the Mahalanobis distance's
                    "OVERLAP_WEIGHT": 0.0,  # weight of 1 - IoU in the same cost
                    "APPEARANCE_THRESHOLD": 0.4,
                    # Associations by overlap
                    "OVERLAP_THRESHOLD": 0.5,
                    "FUSE_SCORE": False,  # costs are 1 - IoU * score (ByteTrack)
                    "SECOND_ASSOCIATION": False,  # tracks left over may take detections of low score (ByteTrack)
                    "SECOND_THRESHOLD": 0.1,  # low: above this, up to CONF_THRESHOLD
                    "SECOND_OVERLAP_THRESHOLD": 0.5,
                    "OCR": False,  # then: by overlap with a track's last detection (OC-SORT)
                    "OCR_THRESHOLD": 0.7,
                    "OCR_APPEARANCE": 2.0,  # highest cosine distance there; 2 = any
                    "UNCONFIRMED_THRESHOLD": 0.7,
                    "DUPLICATE_DISTANCE": 0.15,  # 1 - IoU below which a lost and a tracked box are one person
                    # Motion
                    "KALMAN_STATE": "xyah",  # centre and aspect, height (as published) | xywh: and width, height
                    "MEASUREMENT_NOISE": "fixed",  # fixed | nsa (less for high scores)
                    "KALMAN_RATE": 0.0,  # frames a second at which one frame is one time step; 0 = a frame is a step
                    "ORU": False,  # who comes back is filtered again along a straight line (OC-SORT)
                    "CAMERA_MOTION": "none",  # none | flow | ecc | file
                    "CAMERA_FILE": "",  # file: affines, one file or a folder of <sequence>.txt
                    "CAMERA_MOTION_SIZE": 640,  # flow, ecc: longer side in pixels at which motion is estimated
                    # Embeddings
                    "EMBEDDING_MOMENTUM": 0.9,
                    "EMBEDDING_UPDATE": "fixed",  # fixed | score (surer detections weigh more)
                    "GALLERY_BUFFER": 0,  # frames at 30 fps that ended tracks are remembered; 0 = not at all
                    "GALLERY_THRESHOLD": 0.25,  # cosine distance up to which a new track is one of them
                    # Output
                    "OUTPUT_BOX": "filter",  # a track's box: filter (the Kalman mean) | detection (its own)
                    "MIN_AREA": 100.0,  # filter, px^2; 0 = off
                    "MAX_ASPECT": 1.6,  # filter, width / height; 0 = off
                    "INTERPOLATE": "none",  # gaps, after the last frame: none | linear | gaussian
                    "INTERPOLATE_GAP": 20,  # longest gap in frames
                    "INTERPOLATE_TAU": 10.0,  # gaussian: scale of its length
                    "MIN_TRACK_LENGTH": 0,  # shortest track in frames that is kept, after the last frame
                }
            ),
            "VIDEO": CfgNode(
                {
                    "CODEC": "h264",  # h264 (mp4) | vp9 (webm)
                    "QUALITY": 23,  # constant rate factor: lower is better and larger
                    "TRAIL": 30,  # frames that a trail goes back
                }
            ),
            "EVAL": CfgNode(
                {
                    "PROTOCOL": "auto",  # auto | mot15 | mot16 | mot17 | mot20
                    "BACKEND": "trackeval",  # trackeval (official) | motmetrics (as FairMOT-style scripts print)
                    "REID": False,  # eval --weights: also measure how well embeddings at true boxes tell people apart
                    "EVENTS": True,  # write motmetrics' event table of each sequence
                }
            ),
            "SEED": 317,
            "DEVICE": "auto",  # auto | cpu | cuda | cuda:N
            "OUTPUT": "runs/default",
        }
    )
