"""Search over a synthetic objective; no tracker runs."""

import pytest

from fairmot.commands.tune.search_space import choose_space
from fairmot.commands.tune.study import finished, importances, open_study, search
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.utils.errors import InputError

TASK = {"metric": "HOTA", "keys": {"TRACKER.BUFFER": "..."}, "data": {"A": "1"}}
KEYS = ("CONF_THRESHOLD", "BUFFER", "SECOND_ASSOCIATION", "SECOND_THRESHOLD")


class Stopped(Exception):
    """The end of a run, for a test."""


@pytest.fixture(scope="module")
def space():
    return choose_space(cfg_to_dict(load_cfg())["TRACKER"], KEYS)


def score(values):
    miss = (
        abs(values["CONF_THRESHOLD"] - 0.55)
        + abs(values["BUFFER"] - 40) / 100
        + (not values["SECOND_ASSOCIATION"]) * 0.2
    )
    return 1 - miss - abs(values.get("SECOND_THRESHOLD", 0.2) - 0.2)


def submit(subset, values):
    assert subset == "tuned"
    return lambda: {"HOTA": score(values), "seconds": 0.0}


def failing_at(count):
    """Return a `submit` whose trial number `count` (from 0) raises when its scores are waited for."""
    started = []

    def start(subset, values):
        started.append(values)
        if len(started) <= count:
            return submit(subset, values)

        def wait():
            raise Stopped

        return wait

    return start


def run(path, space, trials, *, resume=False, submit=submit, seed=3, **more):
    study = open_study(path, TASK, resume=resume)
    done = search(study, space, submit, metric="HOTA", trials=trials, seed=seed, concurrency=3, **more)
    return [(trial.number, trial.user_attrs["values"], trial.user_attrs["scores"]) for trial in done]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("full") / "study.log"


@pytest.fixture(scope="module")
def full(space, path):
    """Trials of an uninterrupted run."""
    return run(path, space, 14)


def test_search_first_trial_is_the_starting_point(full):
    assert [number for number, _, _ in full] == list(range(14))
    assert full[0][1] == {"SECOND_ASSOCIATION": False, "CONF_THRESHOLD": 0.4, "BUFFER": 30}
    for _, values, scores in full:
        assert scores["HOTA"] == score(values)
        assert ("SECOND_THRESHOLD" in values) == values["SECOND_ASSOCIATION"]


def test_search_improves_on_the_starting_point(full):
    assert max(scores["HOTA"] for _, _, scores in full) > full[0][2]["HOTA"] + 0.1


def test_search_interrupted_and_resumed_equals_an_uninterrupted_run(full, space, tmp_path):
    path = tmp_path / "study.log"
    with pytest.raises(Stopped):
        run(path, space, 14, submit=failing_at(11))
    assert len(finished(open_study(path, TASK, resume=True))) == 11
    assert run(path, space, 14, resume=True) == full


def test_search_trial_killed_while_suggested_is_run_again(space, tmp_path):
    path = tmp_path / "study.log"
    run(path, space, 1)
    unfinished = open_study(path, TASK, resume=True).ask()
    chosen = unfinished.suggest_categorical("TRACKER.SECOND_ASSOCIATION", (False, True))
    again = run(path, space, 3, resume=True)
    assert [number for number, _, _ in again] == [0, 1, 2]
    assert again[1][1]["SECOND_ASSOCIATION"] == chosen


def test_search_resumed_counts_trials_of_all_runs(full, space, tmp_path):
    path, reported = tmp_path / "study.log", []
    assert run(path, space, 3) == full[:3]
    assert run(path, space, 5, resume=True, on_trial=reported.append) == full[:5]
    assert reported == [scores for _, _, scores in full[3:5]]
    assert run(path, space, 2, resume=True) == full[:5]


def test_search_other_seed_gives_other_trials(full, space, tmp_path):
    other = run(tmp_path / "study.log", space, 3, seed=4)
    assert other[0] == full[0]
    assert other[1:] != full[1:3]


@pytest.mark.usefixtures("full")
def test_importances_sum_to_one_over_the_searched_keys(path):
    found = importances(open_study(path, TASK, resume=True))
    assert set(found) <= {f"TRACKER.{key}" for key in KEYS}
    assert sum(found.values()) == pytest.approx(1)


def test_open_study_of_another_task_is_refused(tmp_path):
    path = tmp_path / "study.log"
    with pytest.raises(InputError, match=r"no such study"):
        open_study(path, TASK, resume=True)
    study = open_study(path, TASK, resume=False)
    assert (importances(study), finished(study)) == ({}, [])
    assert [file.name for file in tmp_path.iterdir()] == ["study.log"]
    for task, resume, message in (
        (TASK, False, "exists: continue it with --resume"),
        ({**TASK, "metric": "MOTA", "data": {"A": "2"}}, True, "started with other data, metric; choose another"),
    ):
        with pytest.raises(InputError, match=message):
            open_study(path, task, resume=resume)
    open_study(path, TASK, resume=True)


@pytest.mark.parametrize("text", ["not a study\n" * 40, '{"a": 1}\n' * 3, "[]\n[]\n"])
def test_open_study_of_another_file_is_one_line(tmp_path, text):
    path = tmp_path / "study.log"
    path.write_text(text)
    with pytest.raises(InputError, match="not a readable study") as caught:
        open_study(path, TASK, resume=True)
    assert "\n" not in str(caught.value)
