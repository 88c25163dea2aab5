"""The optimiser's parameter groups as a table for people."""

from torch.optim import Optimizer


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
