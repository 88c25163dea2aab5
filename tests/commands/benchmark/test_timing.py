"""Peak memory, alternating rounds and their ratios."""

import pytest
import torch

from fairmot.commands.benchmark.timing import CLEAR, compare, peak_memory, time_alternately

CPU = torch.device("cpu")


def test_time_alternately_runs_each_once_per_round() -> None:
    order: list[str] = []
    calls: list[int] = []
    runs = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    seconds = time_alternately(runs, repeats=3, synchronize=lambda: calls.append(len(order)))
    assert order == ["a", "b"] * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert calls == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]


def test_compare_takes_the_ratio_round_by_round() -> None:
    assert compare("a", [1.0, 5.0, 1.0], [1.0, 10.0, 3.0]).ratio == 2.0


@pytest.mark.skipif(not CLEAR.exists(), reason="needs Linux's /proc/self/clear_refs")
def test_peak_memory_counts_freed_memory() -> None:
    def work() -> None:
        torch.ones(64 << 20, dtype=torch.uint8).max()

    taken = peak_memory(work, device=CPU)
    assert taken is not None
    assert 60 <= taken <= 100


def test_peak_memory_without_procfs_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("fairmot.commands.benchmark.timing.CLEAR", tmp_path / "none" / "clear_refs")
    assert peak_memory(lambda: None, device=CPU) is None
