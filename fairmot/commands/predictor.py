"""Predictor of a checkpoint, from images to detections, for use from Python.

`predictor = fairmot.load_predictor("best.pt")` loads a trained network. The example saves an untrained one, which
detects three boxes of 32 x 32 pixels in any image.

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

Tracks of a frame, (H, W, 3) RGB uint8, and of the next one:

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
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.download import LocalFile, locate
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weights import load_weights, match_weights
from fairmot.utils.errors import InputError

_SECTIONS = ("MODEL", "INPUT", "PREDICT")  # sections that a predictor reads, besides DATA.CLASSES


def load_predictor(
    weights: str | Path, overrides: Sequence[Any] = (), *, config: str | Path | None = None, device: str = "auto"
) -> Predictor:
    """Return the predictor of a checkpoint, with folded batch norms: (H, W, 3) RGB uint8 -> `Detections`.

    weights: a file, or a URL whose file name ends in its SHA-256.
    overrides: KEY VALUE KEY VALUE ..., applied to the checkpoint's configuration.
    config: a YAML file instead of that configuration; required for checkpoints without one, such as those of the
        reference implementation.
    device: `auto` (a GPU, or the CPU where there is none), `cpu`, `cuda`, `cuda:N`.

    Warns if a part of the network gets no weights. Raises InputError: a missing file, no checkpoint, no configuration,
    weights of another network, an unknown key or value, an unavailable device.
    """
    path = locate(weights).path
    content = read_checkpoint(path)
    cfg = load_cfg(config, [*_saved(content, path, config), *overrides, "DEVICE", device])
    model = build_model(cfg)
    match = match_weights(model, content, label=str(path))
    model.load_state_dict(match.matching, strict=False)
    if match.report.missing or match.report.mismatched:
        warnings.warn(f"{path}: {match.report}", stacklevel=2)
    torch_device = resolve_device(cfg.DEVICE)
    return build_predictor(cfg, prepare_for_inference(model.to(torch_device)), device=torch_device)


def _saved(content: Mapping[str, Any], path: Path, config: str | Path | None) -> list[Any]:
    """Return the model and input keys of a checkpoint's configuration as overrides; none with a file."""
    if config is not None:
        return []
    if not isinstance(content.get("cfg"), Mapping):
        raise InputError(f"{path}: contains no configuration; give a YAML file: config=...")
    saved = cfg_from_dict(content["cfg"])
    pairs = [(f"{section}.{key}", value) for section in _SECTIONS for key, value in saved[section].items()]
    return ["DATA.CLASSES", saved.DATA.CLASSES, *(item for pair in pairs for item in pair)]


def load_file(model: nn.Module, file: LocalFile) -> str:
    """Load `file` into `model`; return a description of the file (path, size, SHA-256) and the load report."""
    return f"{file}\n{load_weights(model, file.path)}"
