"""One line of a benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BenchmarkRow:
    """Ours and a reference, measured in turn in one run.

    ours, reference: medians in `unit`; ratio: above 1 means ours is faster, the median of the rounds' own ratios.
    extra: further figures by name (a third column, peak memory).
    """

    name: str
    ours: float
    reference: float
    ratio: float
    unit: str = "s"
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, float | str]:
        """Return the row as JSON has it."""
        figures = {"ours": self.ours, "reference": self.reference, "ratio": self.ratio}
        return {"name": self.name, **figures, "unit": self.unit, **self.extra}
