"""Parameter groups: every trainable parameter in exactly one, with its own rate and weight decay."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from fairmot.utils.distributed import is_sharded

Group = dict[str, Any]
"""What torch's optimisers take: name, params, lr, weight_decay."""

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # _NormBase: batch (synchronised too) and instance norms


def parameter_groups(
    *, model: nn.Module, criterion: nn.Module, base_lr: float, backbone_lr: float = 1.0, weight_decay: float = 0.0
) -> list[Group]:
    """Return the groups `backbone`, `network` (all else of `model`) and `criterion`, empty ones left out.

    Each is split in two: `<name>`, whose parameters decay, and `<name>_no_decay` for those that should not: parameters
    of normalisation layers, biases, and all of fewer than two dimensions (so the loss weights too).
    The backbone is the child `model.backbone`, where there is one. A parameter that several modules share stands in the
    first group that claims it, and it decays only if none of them forbids it; frozen parameters stand in none.

    base_lr: learning rate; backbone_lr: the backbone's, as a multiple of it; weight_decay: of the groups that decay.
    Source: He et al., Bag of Tricks for Image Classification, CVPR 2019, section 3.1 (no decay of biases and norms).
    """
    backbone = getattr(model, "backbone", None)
    parts: dict[str, tuple[Iterable[nn.Parameter], float]] = {
        "backbone": (backbone.parameters() if isinstance(backbone, nn.Module) else (), base_lr * backbone_lr),
        "network": (model.parameters(), base_lr),
        "criterion": (criterion.parameters(), base_lr),
    }
    undecayed = {id(value) for module in (model, criterion) for value in _undecayed(module)}
    seen: set[int] = set()
    groups: list[Group] = []
    for name, (parameters, rate) in parts.items():
        fresh = [value for value in parameters if value.requires_grad and id(value) not in seen]
        seen.update(map(id, fresh))
        decaying = [value for value in fresh if id(value) not in undecayed]
        resting = [value for value in fresh if id(value) in undecayed]
        groups.append({"name": name, "params": decaying, "lr": rate, "weight_decay": weight_decay})
        groups.append({"name": f"{name}_no_decay", "params": resting, "lr": rate, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]


def take_out_tables(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Return the groups without split parameters, and groups `<name>_rows` of these alone; empty ones left out."""
    kept, taken = [], []
    for group in groups:
        tables = [value for value in group["params"] if is_sharded(value)]
        others = [value for value in group["params"] if not is_sharded(value)]
        kept.append({**group, "params": others})
        taken.append({**group, "name": f"{group['name']}_rows", "params": tables})
    return [group for group in kept if group["params"]], [group for group in taken if group["params"]]


def require_each_once(groups: Sequence[Group], *, model: nn.Module, criterion: nn.Module) -> None:
    """Raise AssertionError, a defect of ours, unless each trainable parameter stands in exactly one of `groups`."""
    times = Counter(id(value) for group in groups for value in group["params"])
    parts = {"model": model, "criterion": criterion}
    expected = {
        id(value): f"{part}.{name}"
        for part, module in parts.items()
        for name, value in module.named_parameters()
        if value.requires_grad
    }
    wrong = [f"{name} in {times[key]}" for key, name in expected.items() if times[key] != 1]
    strangers = sum(count for key, count in times.items() if key not in expected)
    if wrong or strangers:
        raise AssertionError(
            f"each trainable parameter must stand in one parameter group: {', '.join(wrong) or 'they do'}; "
            f"{strangers} grouped that are frozen or of neither module"
        )


def _undecayed(root: nn.Module) -> Iterator[nn.Parameter]:
    """Give the parameters that decay would harm, by any of their names."""
    for module in root.modules():
        for name, value in module.named_parameters(recurse=False):
            if isinstance(module, NORMS) or "bias" in name or value.ndim < 2:
                yield value


def describe_groups(optimizer: Optimizer) -> str:
    """Return an aligned table: of each group its tensors, values, learning rate and weight decay; then the totals.

    The rate is the full one, before the schedule and its warm-up.

    >>> import torch
    >>> layer = torch.nn.Linear(100, 30)
    >>> group = {"name": "network", "params": layer.parameters(), "weight_decay": 1e-4}
    >>> print(describe_groups(torch.optim.SGD([group], lr=0.01)))
    group    tensors  values  rate   decay
    network        2   3,030  0.01  0.0001
    total          2   3,030
    """
    rows = [("group", "tensors", "values", "rate", "decay")]
    tensors, values = 0, 0
    for group in optimizer.param_groups:
        count, size = len(group["params"]), sum(value.numel() for value in group["params"])
        rate = float(group.get("initial_lr", group["lr"]))
        rows.append((group["name"], str(count), f"{size:,}", f"{rate:g}", f"{group['weight_decay']:g}"))
        tensors, values = tensors + count, values + size
    rows.append(("total", str(tensors), f"{values:,}", "", ""))
    name_width, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = (
        "  ".join([name.ljust(name_width), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    )
    return "\n".join(line.rstrip() for line in lines)
