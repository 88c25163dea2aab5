"""Several optimisers that everybody else takes for one."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from torch.optim import Optimizer


class JoinedOptimizer(Optimizer):
    """All parts' groups, one after another, and their states, which the parts go on working with.

    A schedule, a gradient scaler, or whoever saves and loads, sees one optimiser.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = tuple(parts)
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Let each part make its step."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave; ValueError where the groups are others."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Give the parts this one's groups and state, the very objects."""
        groups = iter(self.param_groups)
        for part in self.parts:
            own = list(islice(groups, len(part.param_groups)))
            part.__setstate__({"state": self.state, "param_groups": own})
