"""Loading weights: ours, published FairMOT's and CenterNet's, or a backbone alone, with a report of what went where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from fairmot.formats.checkpoint import read_checkpoint
from fairmot.models.weight_names import detect_naming
from fairmot.utils.errors import InputError

WRAPPERS = ("ema", "model", "state_dict")  # the averaged weights before those they are the average of
MINIMUM_SHARE = 0.5
COUNTER = ".num_batches_tracked"  # absent from files of PyTorch before 0.4.1; nothing reads it


@dataclass(frozen=True)
class LoadReport:
    """Names by what became of them; all in our names but `unexpected`, which is in the file's.

    scheme: whose names the file uses; share: of the network's values, found in the file; mismatched: of another shape,
    left as they were with the rest of their layer; reinitialised: the heads among those, in words.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    share: float
    scheme: str = ""
    reinitialised: tuple[str, ...] = ()

    def __str__(self) -> str:
        scheme = f" ({self.scheme})" if self.scheme else ""
        lines = [f"weights{scheme}: {self.counts} ({self.share:.1%} of the network's values)"]
        if self.reinitialised:
            lines.append(f"  re-initialised: {', '.join(self.reinitialised)}")
        heads = tuple(text.split(" ")[0] + "." for text in self.reinitialised)
        others = [name for name in self.mismatched if not name.startswith(heads)] if heads else self.mismatched
        for title, names in (("missing", self.missing), ("unexpected", self.unexpected), ("mismatched", others)):
            if names:
                lines.append(f"  {title}: {_list(names)}")
        return "\n".join(lines)

    @property
    def counts(self) -> str:
        """How many names fared how."""
        return (
            f"{len(self.loaded)} loaded, {len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.mismatched)} mismatched"
        )


class Match(NamedTuple):
    """A file beside a network: the report, every tensor of the file in our names, and those that fit."""

    report: LoadReport
    tensors: dict[str, torch.Tensor]
    fitting: dict[str, torch.Tensor]


def load_weights(model: nn.Module, source: str | Path | Mapping[str, Any]) -> LoadReport:
    """Copy the weights of `source` (a file or a state dict) into `model` where names and shapes agree.

    The file's names are recognised: ours, published FairMOT's or CenterNet's (by `model.prefixes`), or a backbone's
    alone. A layer of another shape (a different re-ID dimension or class count) keeps its own start and is reported.
    Raises InputError, with the model as it was: less than half of the network's values found weights (that is another
    network's file), or a value is not finite.
    """
    label = "state dict" if isinstance(source, Mapping) else str(source)
    match = match_weights(model, source if isinstance(source, Mapping) else read_checkpoint(Path(source)), label=label)
    model.load_state_dict(match.fitting, strict=False)
    return match.report


def match_weights(model: nn.Module, content: Mapping[str, Any], *, label: str) -> Match:
    """Lay a file's content beside `model`, which stays as it is; InputError as for `load_weights`."""
    given = tensors_of(content)
    _require_finite(given, label)
    match = match_state_dict(model, given)
    if match.report.share < MINIMUM_SHARE:
        some = f"; its names begin {', '.join(list(given)[:2])}" if given else "; it holds no weights"
        raise InputError(
            f"{label}: only {match.report.share:.1%} of the network's values found weights "
            f"({match.report.counts}): another network's file{some}"
        )
    return match


def tensors_of(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict inside `content`, unwrapped, with NumPy arrays as tensors and all else left out."""
    for _ in WRAPPERS:
        inner = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        content = inner[0] if inner else content
    given: dict[str, torch.Tensor] = {}
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            given[name] = value.detach()
        elif isinstance(name, str) and isinstance(value, np.ndarray) and _is_number(value.dtype):
            given[name] = torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))
    return given


def _is_number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def match_state_dict(model: nn.Module, given: Mapping[str, torch.Tensor]) -> Match:
    """Match names and shapes; judge nothing."""
    own = model.state_dict()
    naming = detect_naming(given, own=own, prefixes=getattr(model, "prefixes", ()))
    tensors: dict[str, torch.Tensor] = {}
    unexpected = []
    for theirs, ours in naming.ours.items():
        if ours in own and ours not in tensors:
            tensors[ours] = given[theirs]
        else:
            unexpected.append(theirs)
            tensors.setdefault(ours, given[theirs])
    shared = [name for name in own if name in tensors]
    left = {_layer(name) for name in shared if tensors[name].shape != own[name].shape}
    mismatched = tuple(name for name in shared if _layer(name) in left)
    fitting = {name: tensors[name] for name in shared if _layer(name) not in left}
    sizes = {name: value.numel() for name, value in own.items() if value.is_floating_point()}
    report = LoadReport(
        loaded=tuple(fitting),
        missing=tuple(name for name in own if name not in tensors and not name.endswith(COUNTER)),
        unexpected=tuple(unexpected),
        mismatched=mismatched,
        share=sum(size for name, size in sizes.items() if name in fitting) / max(1, sum(sizes.values())),
        scheme=naming.scheme,
        reinitialised=_reinitialised(mismatched, own, tensors),
    )
    return Match(report, tensors, fitting)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _require_finite(given: Mapping[str, torch.Tensor], label: str) -> None:
    for name, value in given.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{label}: {name} holds values that are not finite (NaN or infinity)")


def _reinitialised(
    mismatched: Iterable[str], own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> tuple[str, ...]:
    """Say of each head that differs how: in its number of outputs, or else in its hidden width."""
    said = []
    weights = [name for name in mismatched if name.startswith("heads.") and name.endswith(".weight")]
    for head, names in groupby(weights, key=lambda name: ".".join(name.split(".")[:2])):
        last = list(names)[-1]
        theirs, ours = tensors[last].shape, own[last].shape
        if len(theirs) != len(ours):
            said.append(f"{head} (file {tuple(theirs)}, network {tuple(ours)})")
        elif theirs[0] != ours[0]:
            said.append(f"{head} (file {theirs[0]}, network {ours[0]})")
        else:
            said.append(f"{head} (file {theirs[1]} wide, network {ours[1]} wide)")
    return tuple(said)


def _list(names: Iterable[str]) -> str:
    """Few names in full, many as counts of their parents.

    >>> _list(["a.b.weight", "a.b.bias"])
    'a.b.weight, a.b.bias'
    >>> _list([f"neck.up.{n}" for n in range(9)])
    'neck.up (9 names)'
    """
    names = list(names)
    if len(names) <= 6:
        return ", ".join(names)
    groups: dict[str, int] = {}
    for name in names:
        parent = ".".join(name.split(".")[:2]) if name.count(".") > 1 else name.split(".")[0]
        groups[parent] = groups.get(parent, 0) + 1
    shown = [f"{parent} ({count} name{'s' if count > 1 else ''})" for parent, count in groups.items()]
    return ", ".join(shown[:8]) + (f" and {len(names) - sum(list(groups.values())[:8])} more" if len(shown) > 8 else "")
