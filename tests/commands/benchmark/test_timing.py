"""Peak memory of a piece of work."""

import pytest
import torch

from fairmot.commands.benchmark.timing import CLEAR, peak_memory

CPU = torch.device("cpu")


@pytest.mark.skipif(not CLEAR.exists(), reason="needs Linux's /proc/self/clear_refs")
def test_what_is_freed_before_the_end_counts() -> None:
    def work() -> None:
        torch.ones(64 << 20, dtype=torch.uint8).max()

    taken = peak_memory(work, device=CPU)
    assert taken is not None
    assert 60 <= taken <= 100


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("fairmot.commands.benchmark.timing.CLEAR", tmp_path / "none" / "clear_refs")
    assert peak_memory(lambda: None, device=CPU) is None
