"""A checkpoint as a function from images to detections: the Python way in.

With a network that is trained, `predictor = fairmot.load_predictor("best.pt")` is one line. Here is one that is not, to
have something to load: it sees three boxes of 32 x 32 pixels in anything.

>>> from tempfile import TemporaryDirectory
>>> import numpy as np, torch, fairmot
>>> from fairmot.config.load import cfg_to_dict
>>> from fairmot.formats.checkpoint import write_checkpoint
>>> from fairmot.structures.tracks import AssociationStage
>>> slim = {"MODEL.WIDTH": 0.125, "MODEL.HEAD_CHANNELS": 8, "MODEL.HEATMAP_BIAS": 0.5, "INPUT.SIZE_HW": (64, 96)}
>>> cfg = fairmot.load_cfg(None, [item for pair in slim.items() for item in pair])
>>> seed, model = torch.manual_seed(0), fairmot.build_model(cfg)
>>> seed = torch.nn.init.constant_(model.heads["size_ltrb"][-1].bias, 4.0)  # cells of 4 pixels to each side
>>> with TemporaryDirectory() as folder:
...     write_checkpoint(Path(folder) / "best.pt", {"model": model.state_dict(), "cfg": cfg_to_dict(cfg)})
...     predictor = fairmot.load_predictor(Path(folder) / "best.pt", ["PREDICT.TOP_K", "3"])
>>> frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)

Tracks of a frame, (H, W, 3) RGB uint8, and of the next one, with what each has to tell:

>>> tracker = fairmot.JointTracker()
>>> tracks = tracker.update(predictor(frame))
>>> tracks.ids.tolist(), [AssociationStage(stage).name for stage in tracks.stages]
([1, 2, 3], ['INITIATION', 'INITIATION', 'INITIATION'])
>>> tracks = tracker.update(predictor(frame))
>>> tracks.ids.tolist(), tracks.ages.tolist(), [AssociationStage(stage).name for stage in tracks.stages]
([1, 2, 3], [2, 2, 2], ['APPEARANCE', 'APPEARANCE', 'APPEARANCE'])
>>> bool((tracks.costs < 0.01).all())
True
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fairmot.commands.run import resolve_device
from fairmot.config.load import cfg_from_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.download import LocalFile, locate
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weights import load_weights, match_weights
from fairmot.utils.errors import InputError

_SECTIONS = ("MODEL", "INPUT", "PREDICT")  # what a predictor reads, beside DATA.CLASSES


def load_predictor(
    weights: str | Path, overrides: Sequence[Any] = (), *, config: str | Path | None = None, device: str = "auto"
) -> Predictor:
    """Return the predictor of a checkpoint, its batch norms folded: (H, W, 3) RGB uint8 -> `Detections`.

    weights: a file, or the URL of one whose name ends in its SHA-256.
    overrides: KEY VALUE KEY VALUE ..., over the configuration that the checkpoint holds.
    config: a YAML file in that configuration's place; needed for files that hold none, published ones for example.
    device: `auto` (a GPU, or the CPU where there is none), `cpu`, `cuda`, `cuda:N`.

    Warns where the file leaves a part of the network without weights. Raises InputError: a file that is missing, no
    checkpoint, without a configuration or of another network; an unknown key or value; no such device.
    """
    path = locate(weights).path
    content = read_checkpoint(path)
    cfg = load_cfg(config, [*_saved(content, path, config), *overrides, "DEVICE", device])
    model = build_model(cfg)
    match = match_weights(model, content, label=str(path))
    model.load_state_dict(match.matching, strict=False)
    if match.report.missing or match.report.mismatched:
        warnings.warn(f"{path}: {match.report}", stacklevel=2)
    where = resolve_device(cfg.DEVICE)
    return build_predictor(cfg, prepare_for_inference(model.to(where)), device=where)


def _saved(content: Mapping[str, Any], path: Path, config: str | Path | None) -> list[Any]:
    """Return what a checkpoint's configuration says of its network and input, as overrides; a file takes its place."""
    if config is not None:
        return []
    if not isinstance(content.get("cfg"), Mapping):
        raise InputError(f"{path}: holds no configuration; name a YAML file: config=...")
    saved = cfg_from_dict(content["cfg"])
    return ["DATA.CLASSES", saved.DATA.CLASSES, *(item for name in _SECTIONS for item in _flat(saved[name], name))]


def _flat(node: CfgNode, prefix: str) -> list[Any]:
    """Return KEY VALUE KEY VALUE ... of a section without sections below it."""
    return [item for key, value in node.items() for item in (f"{prefix}.{key}", value)]


def load_file(model: nn.Module, file: LocalFile) -> str:
    """Load `file` into `model`; return which file it was (path, size, SHA-256) and the load report."""
    report = load_weights(model, file.path)
    return f"{file}\n{report}"
