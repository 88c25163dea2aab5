"""Loading weights: ours, published FairMOT's and CenterNet's, with a report of what went where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairmot.formats.checkpoint import read_checkpoint
from fairmot.utils.errors import InputError

PUBLISHED_PREFIXES = (
    ("base.", "backbone."),
    ("dla_up.", "neck.dla_up."),
    ("ida_up.", "neck.ida_up."),
    ("hm.", "heads.heatmap."),
    ("wh.", "heads.size_ltrb."),
    ("reg.", "heads.offset."),
    ("id.", "heads.embedding."),
)
"""Published name -> ours. Below the prefix the names are the same."""

WRAPPERS = ("model", "state_dict")
MINIMUM_SHARE = 0.5


@dataclass(frozen=True)
class LoadReport:
    """Names by what became of them; all in our names but `unexpected`, which is in the file's."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    share: float

    def __str__(self) -> str:
        counts = f"{len(self.loaded)} loaded, {len(self.missing)} missing, {len(self.unexpected)} unexpected"
        lines = [f"weights: {counts}, {len(self.mismatched)} mismatched ({self.share:.1%} of the network's values)"]
        for title in ("missing", "unexpected", "mismatched"):
            names: tuple[str, ...] = getattr(self, title)
            if names:
                more = f" and {len(names) - 6} more" if len(names) > 6 else ""
                lines.append(f"  {title}: {', '.join(names[:6])}{more}")
        return "\n".join(lines)


def published_name(name: str) -> str:
    """Return our name for a published parameter; a `module.` prefix goes, our own names stay.

    >>> published_name("module.hm.2.bias")
    'heads.heatmap.2.bias'
    """
    name = name.removeprefix("module.")
    for theirs, ours in PUBLISHED_PREFIXES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def load_weights(model: nn.Module, source: str | Path | Mapping[str, Any]) -> LoadReport:
    """Copy the weights of `source` (a file or a state dict) into `model` where names and shapes agree.

    A head of another shape (a different re-ID dimension or class count) keeps its own start and is reported.
    Raises InputError when less than half of the network's values found weights: that is another network's file.
    """
    label = "state dict" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else read_checkpoint(Path(source))
    given = {name: value for name, value in _unwrap(content).items() if isinstance(value, torch.Tensor)}
    report = _copy(model, given)
    if report.share < MINIMUM_SHARE:
        raise InputError(
            f"{label}: only {report.share:.1%} of the network's values found weights "
            f"({len(report.loaded)} names loaded, {len(report.missing)} missing, {len(report.unexpected)} unexpected)"
        )
    return report


def _unwrap(content: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    return content


def _copy(model: nn.Module, given: Mapping[str, torch.Tensor]) -> LoadReport:
    own = model.state_dict()
    renamed = {published_name(name): (name, value) for name, value in given.items()}
    matched = {name: value for name, (_, value) in renamed.items() if name in own and own[name].shape == value.shape}
    counted = {name: value.numel() for name, value in own.items() if value.is_floating_point()}
    share = sum(size for name, size in counted.items() if name in matched) / max(1, sum(counted.values()))
    if share >= MINIMUM_SHARE:
        model.load_state_dict(matched, strict=False)
    return LoadReport(
        loaded=tuple(matched),
        missing=tuple(name for name in own if name not in renamed),
        unexpected=tuple(name for ours, (name, _) in renamed.items() if ours not in own),
        mismatched=tuple(name for name in own if name in renamed and name not in matched),
        share=share,
    )
