"""Rounds are run in turn and the first is not counted."""

from fairmot.commands.benchmark.timing import paired_ratio, time_in_turn


def test_every_way_runs_once_a_round() -> None:
    order: list[str] = []
    waits: list[int] = []
    runs = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    seconds = time_in_turn(runs, repeats=3, wait=lambda: waits.append(len(order)))
    assert order == ["a", "b"] * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert waits == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]


def test_the_ratio_is_taken_round_by_round() -> None:
    assert paired_ratio([1.0, 10.0, 3.0], [1.0, 5.0, 1.0]) == 2.0
