"""Weight loading: own, FairMOT and CenterNet state dicts, or a backbone's alone, with a report of the names."""

from collections import Counter
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

WRAPPERS = ("ema", "model", "state_dict")  # averaged weights take precedence
MIN_LOADED_FRACTION = 0.5
COUNTER = ".num_batches_tracked"  # missing in files of PyTorch before 0.4.1; not used


@dataclass(frozen=True)
class LoadReport:
    """Result of loading, by parameter name; names are the network's, those of `unexpected` the file's.

    mismatched: layers of different shape, which keep their initial values; loaded_fraction: of the network's values;
    scheme: detected naming scheme; reinitialised: description of the heads among `mismatched`.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    loaded_fraction: float
    scheme: str = ""
    reinitialised: tuple[str, ...] = ()

    def __str__(self) -> str:
        scheme = f" ({self.scheme})" if self.scheme else ""
        lines = [f"weights{scheme}: {self.counts} ({self.loaded_fraction:.1%} of the network's values)"]
        if self.reinitialised:
            lines.append(f"  re-initialised: {', '.join(self.reinitialised)}")
        heads = tuple(text.split(" ")[0] + "." for text in self.reinitialised)
        others = [name for name in self.mismatched if not name.startswith(heads)] if heads else self.mismatched
        for title, names in (("missing", self.missing), ("unexpected", self.unexpected), ("mismatched", others)):
            if names:
                lines.append(f"  {title}: {_summarise_names(names)}")
        return "\n".join(lines)

    @property
    def counts(self) -> str:
        """Number of names in each category."""
        return (
            f"{len(self.loaded)} loaded, {len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.mismatched)} mismatched"
        )


class WeightMatch(NamedTuple):
    """A state dict matched against a network: the report, all tensors under own names, and those that can be loaded."""

    report: LoadReport
    tensors: dict[str, torch.Tensor]
    matching: dict[str, torch.Tensor]


def load_weights(model: nn.Module, source: str | Path | Mapping[str, Any]) -> LoadReport:
    """Copy the weights of `source` (a file or a state dict) into `model` where names and shapes match.

    The naming scheme is detected: own names, FairMOT's or CenterNet's (by `model.prefixes`), or a backbone's alone. A
    layer of different shape (another re-ID dimension or class count) keeps its initial values and is reported.
    Raises InputError and leaves the model unchanged if less than half of the network's values would be loaded (the
    file belongs to another network) or a value is not finite.
    """
    label = "state dict" if isinstance(source, Mapping) else str(source)
    match = match_weights(model, source if isinstance(source, Mapping) else read_checkpoint(Path(source)), label=label)
    model.load_state_dict(match.matching, strict=False)
    return match.report


def match_weights(model: nn.Module, content: Mapping[str, Any], *, label: str) -> WeightMatch:
    """Match a file's content against `model` without changing it; raises InputError as `load_weights` does."""
    given = tensors_of(content)
    for name, value in given.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"{label}: {name} holds values that are not finite (NaN or infinity)")
    match = match_state_dict(model, given)
    if match.report.loaded_fraction < MIN_LOADED_FRACTION:
        some = f"; its names begin {', '.join(list(given)[:2])}" if given else "; it holds no weights"
        raise InputError(
            f"{label}: only {match.report.loaded_fraction:.1%} of the network's values can be loaded "
            f"({match.report.counts}): another network's file{some}"
        )
    return match


def tensors_of(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors of the state dict inside `content`; NumPy arrays are converted, other values ignored."""
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


def match_state_dict(model: nn.Module, given: Mapping[str, torch.Tensor]) -> WeightMatch:
    """Match names and shapes without any check of the result."""
    own = model.state_dict()
    naming = detect_naming(given, own=own, prefixes=getattr(model, "prefixes", ()))
    tensors: dict[str, torch.Tensor] = {}
    unexpected = []
    for file_name, name in naming.own_names.items():
        if name not in own or name in tensors:
            unexpected.append(file_name)
        tensors.setdefault(name, given[file_name])
    shared = [name for name in own if name in tensors]
    different = {_layer(name) for name in shared if tensors[name].shape != own[name].shape}
    mismatched = tuple(name for name in shared if _layer(name) in different)
    matching = {name: tensors[name] for name in shared if _layer(name) not in different}
    sizes = {name: value.numel() for name, value in own.items() if value.is_floating_point()}
    report = LoadReport(
        loaded=tuple(matching),
        missing=tuple(name for name in own if name not in tensors and not name.endswith(COUNTER)),
        unexpected=tuple(unexpected),
        mismatched=mismatched,
        loaded_fraction=sum(size for name, size in sizes.items() if name in matching) / max(1, sum(sizes.values())),
        scheme=naming.scheme,
        reinitialised=_describe_heads(mismatched, own, tensors),
    )
    return WeightMatch(report, tensors, matching)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _describe_heads(
    mismatched: Iterable[str], own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> tuple[str, ...]:
    """Describe the difference of each mismatched head: its number of outputs, or else its hidden channels."""
    descriptions = []
    weights = [name for name in mismatched if name.startswith("heads.") and name.endswith(".weight")]
    for head, names in groupby(weights, key=lambda name: ".".join(name.split(".")[:2])):
        last = list(names)[-1]
        file, network = tensors[last].shape, own[last].shape
        if len(file) != len(network):
            descriptions.append(f"{head} (file {tuple(file)}, network {tuple(network)})")
        elif file[0] != network[0]:
            descriptions.append(f"{head} (file {file[0]}, network {network[0]})")
        else:
            descriptions.append(f"{head} (file {file[1]} wide, network {network[1]} wide)")
    return tuple(descriptions)


def _summarise_names(names: Iterable[str]) -> str:
    """List up to six names, else the number of names of up to eight parent modules.

    >>> _summarise_names(["a.b.weight", "a.b.bias"])
    'a.b.weight, a.b.bias'
    >>> _summarise_names([f"neck.up.{n}" for n in range(9)])
    'neck.up (9 names)'
    """
    names = list(names)
    if len(names) <= 6:
        return ", ".join(names)
    groups = Counter(".".join(name.split(".")[:2]) if name.count(".") > 1 else name.split(".")[0] for name in names)
    shown = [f"{parent} ({count} name{'s' if count > 1 else ''})" for parent, count in groups.items()]
    rest = len(names) - sum(list(groups.values())[:8])
    return ", ".join(shown[:8]) + (f" and {rest} more" if rest else "")
