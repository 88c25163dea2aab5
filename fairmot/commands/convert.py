"""`fairmot convert`: weights between the parameter names of the reference implementation and of this package."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fairmot.config.derived import embedding_lengths
from fairmot.config.load import cfg_from_dict, cfg_to_dict, flatten, load_cfg
from fairmot.config.node import CfgNode
from fairmot.formats.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from fairmot.formats.download import locate
from fairmot.models.architectures import BACKBONES
from fairmot.models.build import build_model
from fairmot.models.joint_detector import JointDetector
from fairmot.models.weight_names import BACKBONE, HEAD_PREFIXES, OURS, to_own_name, to_reference_name, unwrapped
from fairmot.models.weights import LoadReport, WeightMatch, match_state_dict, match_weights, tensors_of
from fairmot.utils.errors import InputError

NAMINGS = ("fairmot", "published")
SIZES = {  # key: weight whose first dimension gives its value
    "MODEL.NUM_CLASSES": "heads.heatmap.2.weight",
    "MODEL.REID_DIM": "heads.embedding.2.weight",
    "MODEL.HEAD_CHANNELS": "heads.heatmap.0.weight",
}

EXAMPLES = """\
fairmot convert --input fairmot_dla34.pth --output ours.pt
fairmot convert --input runs/mot17/best.pt --output reference.pth --to published
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `fairmot convert`."""
    parser.add_argument("--input", type=Path, required=True, metavar="FILE", help="checkpoint in either naming")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="file to write; replaced if it exists"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file (default: the checkpoint's, or inferred)"
    )
    parser.add_argument("--to", choices=NAMINGS, help="naming to write (default: the other one)")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration, e.g. MODEL.BACKBONE dla_34")


def main(arguments: argparse.Namespace) -> int:
    """Convert, and print the architecture, the load report and the output file."""
    print(locate(arguments.input))
    names = vars(arguments)
    done = convert(arguments.input, arguments.output, **{name: names[name] for name in ("config", "overrides", "to")})
    keys = ", ".join(f"{key} {done.model[key]}" for key in ("WIDTH", "REID_DIM", "NUM_CLASSES", "HEAD_CHANNELS"))
    print(f"MODEL.BACKBONE {done.model['BACKBONE']}{' (inferred)' if done.is_inferred else ''}, {keys}")
    print(done.report)
    print(f"{done.to} names -> {locate(arguments.output)}")
    return 0


class Conversion(NamedTuple):
    """Result of a conversion: load report, MODEL keys, whether the backbone was inferred, naming written."""

    report: LoadReport
    model: dict[str, Any]
    is_inferred: bool
    to: str


def convert(
    source: Path, output: Path, *, config: Path | None = None, overrides: Sequence[str] = (), to: str | None = None
) -> Conversion:
    """Write the weights of `source` to `output` in the other naming, or in `to`; values are not changed.

    A file in our naming contains `model`, `cfg` and `epoch`; in the reference's, `state_dict` and `epoch`. Tensors that
    the network does not have are kept too, so that a conversion and its reverse give the same names and values.
    Raises InputError, with nothing written: output is the input or a folder, or the file fits no known network.
    """
    if output.is_dir():
        raise InputError(f"--output: {output} is a folder, not a file")
    if output.exists() and source.exists() and output.samefile(source):
        raise InputError(f"--output: {output} is the input; choose another name")
    content = read_checkpoint(source)
    given = tensors_of(content)
    options = [*_saved_options(content, config), *overrides]
    sizes = _sizes(given, load_cfg(config, options))
    _require_agreement(overrides, sizes, label=str(source))
    is_inferred = config is None and "MODEL.BACKBONE" not in options[::2]
    if is_inferred:
        options += ["MODEL.BACKBONE", _infer_backbone(given, [*options, *sizes], label=str(source))]
    cfg = load_cfg(config, [*options, *sizes])
    model = _on_meta(cfg)
    match = match_weights(model, content, label=str(source))
    if len(match.tensors) < len(given):
        names = ", ".join(match.report.unexpected)
        raise InputError(f"{source}: several of its names map to the same parameter: {names}")
    to = to or ("published" if match.report.scheme == OURS else "fairmot")
    write_checkpoint(output, _written(match, model, cfg, to=to, epoch=_epoch(content)))
    return Conversion(match.report, cfg_to_dict(cfg.MODEL), is_inferred, to)


def _written(match: WeightMatch, model: JointDetector, cfg: CfgNode, *, to: str, epoch: int) -> dict[str, Any]:
    tensors = {name: value.clone() for name, value in match.tensors.items()}  # a view would save its full storage
    if to == "fairmot":
        return {"model": tensors, "cfg": cfg_to_dict(cfg), "epoch": epoch, "format": FORMAT}
    return {"epoch": epoch, "state_dict": {to_reference_name(name, model.prefixes): v for name, v in tensors.items()}}


def _on_meta(cfg: CfgNode) -> JointDetector:
    """Return the network on the meta device: names and shapes without values."""
    with torch.device("meta"):
        return build_model(cfg)


def _saved_options(content: Mapping[str, Any], config: Path | None) -> list[str]:
    """Return the configuration of a checkpoint as overrides; none with `--config`."""
    if config is not None or not isinstance(content.get("cfg"), Mapping):
        return []
    values = flatten(cfg_to_dict(cfg_from_dict(content["cfg"])))
    return [text for key, value in values.items() for text in (key, repr(value))]


def _sizes(given: Mapping[str, torch.Tensor], cfg: CfgNode) -> list[str]:
    """Return the sizes of the file's heads as overrides; no MODEL.REID_DIM where that of `cfg` fits."""
    shapes = {to_own_name(bare, HEAD_PREFIXES): given[name].shape for name, bare in unwrapped(given).items()}
    found = {key: shapes[name][0] for key, name in SIZES.items() if shapes.get(name)}
    if found.get("MODEL.REID_DIM") == max(embedding_lengths(cfg)):
        del found["MODEL.REID_DIM"]
    return [text for key, size in found.items() for text in (key, str(size))]


def _require_agreement(overrides: Sequence[str], sizes: Sequence[str], *, label: str) -> None:
    """Raise InputError for a size among the overrides that contradicts the file."""
    given = dict(zip(overrides[::2], overrides[1::2], strict=False))
    for key, size in zip(sizes[::2], sizes[1::2], strict=True):
        if given.get(key, size) != size:
            raise InputError(f"{label}: {key} is {size} in the file, not {given[key]}")


def _epoch(content: Mapping[str, Any]) -> int:
    progress = content.get("progress")
    epoch = progress.get("epoch", 0) if isinstance(progress, Mapping) else content.get("epoch", 0)
    try:
        return int(epoch)
    except (TypeError, ValueError):
        return 0


def _infer_backbone(given: Mapping[str, torch.Tensor], options: list[str], *, label: str) -> str:
    """Return the architecture with the largest overlap (intersection over union of values) with the file."""
    size = sum(value.numel() for value in given.values())
    scores: dict[str, float] = {}
    for name in BACKBONES:
        model = _on_meta(load_cfg(None, [*options, "MODEL.BACKBONE", name]))
        match = match_state_dict(model, given)
        shared = sum(value.numel() for value in match.matching.values())
        union = size + sum(value.numel() for value in model.state_dict().values()) - shared
        scores[name] = 0.0 if match.report.scheme == BACKBONE else shared / max(1, union)
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < 0.5:
        raise InputError(f"{label}: its names and shapes fit no known architecture; set MODEL.BACKBONE and MODEL.WIDTH")
    return best
