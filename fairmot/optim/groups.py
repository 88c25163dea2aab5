"""Parameter groups of the optimizer, each with a learning rate and a weight decay."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from fairmot.utils.distributed import is_sharded

Group = dict[str, Any]
"""Parameter group of a torch optimizer: name, params, lr, weight_decay."""

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # _NormBase: batch (synchronised too) and instance norms


def parameter_groups(
    *, model: nn.Module, criterion: nn.Module, base_lr: float, backbone_lr: float = 1.0, weight_decay: float = 0.0
) -> list[Group]:
    """Return the non-empty groups among `backbone`, `network` (the rest of `model`) and `criterion`.

    Each is split in two: `<name>` with weight decay and `<name>_no_decay` for parameters of normalisation layers,
    biases and all parameters of fewer than two dimensions (loss weights included). The backbone is the child
    `model.backbone`, if any. A parameter that several modules share is in the first matching group, and decays only if
    none of them forbids it; frozen parameters are in none.

    base_lr: learning rate; backbone_lr: the backbone's, as a multiple of it; weight_decay: of the groups that decay.
    Source: He et al., Bag of Tricks for Image Classification, CVPR 2019, section 3.1 (no decay of biases and norms).
    """
    backbone = getattr(model, "backbone", None)
    parts: dict[str, tuple[Iterable[nn.Parameter], float]] = {
        "backbone": (backbone.parameters() if isinstance(backbone, nn.Module) else (), base_lr * backbone_lr),
        "network": (model.parameters(), base_lr),
        "criterion": (criterion.parameters(), base_lr),
    }
    undecayed = {
        id(value)
        for root in (model, criterion)
        for module in root.modules()
        for name, value in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or "bias" in name or value.ndim < 2
    }
    grouped: set[int] = set()
    groups: list[Group] = []
    for name, (parameters, rate) in parts.items():
        new = [value for value in parameters if value.requires_grad and id(value) not in grouped]
        grouped.update(map(id, new))
        for suffix, decay in (("", weight_decay), ("_no_decay", 0.0)):
            params = [value for value in new if (id(value) in undecayed) == bool(suffix)]
            groups.append({"name": f"{name}{suffix}", "params": params, "lr": rate, "weight_decay": decay})
    return [group for group in groups if group["params"]]


def split_sharded_groups(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Return the groups without sharded parameters, and groups `<name>_rows` of these; empty ones are left out."""
    dense, tables = [], []
    for group in groups:
        dense.append({**group, "params": [value for value in group["params"] if not is_sharded(value)]})
        sharded = [value for value in group["params"] if is_sharded(value)]
        tables.append({**group, "name": f"{group['name']}_rows", "params": sharded})
    return [group for group in dense if group["params"]], [group for group in tables if group["params"]]


def describe_groups(optimizer: Optimizer) -> str:
    """Return an aligned table of the groups: tensors, values, learning rate (without schedule), weight decay.

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
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = ("  ".join([name.ljust(first), *map(str.rjust, cells, widths)]).rstrip() for name, *cells in rows)
    return "\n".join(lines)
