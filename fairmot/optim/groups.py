"""Parameter groups: every trainable parameter in exactly one."""

from typing import Any

from torch import nn


def parameter_groups(**modules: nn.Module) -> list[dict[str, Any]]:
    """Return one named group a module, of its parameters that require a gradient; none stands in two groups."""
    seen: set[int] = set()
    groups = []
    for name, module in modules.items():
        fresh = [value for value in module.parameters() if value.requires_grad and id(value) not in seen]
        seen.update(id(value) for value in fresh)
        groups.append({"name": name, "params": fresh})
    return groups
