"""The search over a made-up score: no tracker runs here."""

import optuna
import pytest

from fairmot.commands.tune.search_space import choose_space
from fairmot.commands.tune.study import FinishedTrial, best_of, finished, importances, open_study, search
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


def submit(part, values):
    assert part == "tuned"
    return lambda: {"HOTA": score(values), "seconds": 0.0}


def failing_at(count):
    """Return a `submit` whose `count`-th trial, from 0, ends the run when it is waited for."""
    started = []

    def start(part, values):
        started.append(values)
        if len(started) <= count:
            return submit(part, values)

        def wait():
            raise Stopped

        return wait

    return start


def run(path, space, trials, *, resume=False, submit=submit, **more):
    with open_study(path, TASK, resume=resume) as study:
        return search(study, space, submit, metric="HOTA", trials=trials, **({"seed": 3, "ahead": 3} | more))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("whole") / "study.db"


@pytest.fixture(scope="module")
def whole(space, kept):
    """Trials of a run that nothing interrupted."""
    return run(kept, space, 14)


def test_the_first_trial_is_the_start_and_none_is_missing(whole, space):
    assert [done.number for done in whole] == list(range(14))
    assert whole[0].values == {"SECOND_ASSOCIATION": False, "CONF_THRESHOLD": 0.4, "BUFFER": 30}
    for done in whole:
        assert done.scores["HOTA"] == score(done.values)
        assert ("SECOND_THRESHOLD" in done.values) == done.values["SECOND_ASSOCIATION"]


def test_the_search_finds_better_ones(whole):
    assert best_of(whole, "HOTA").scores["HOTA"] > whole[0].scores["HOTA"] + 0.1


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(whole, space, tmp_path):
    path = tmp_path / "study.db"
    with pytest.raises(Stopped):
        run(path, space, 14, submit=failing_at(11))
    with open_study(path, TASK, resume=True) as study:
        assert len(finished(study, space)) == 11
    assert run(path, space, 14, resume=True) == whole


def test_a_trial_that_was_cut_off_while_it_was_proposed_is_done_again(whole, space, tmp_path):
    path = tmp_path / "study.db"
    run(path, space, 1)
    with open_study(path, TASK, resume=True) as study:
        study.sampler = optuna.samplers.RandomSampler(seed=3 + 1)
        cut_off = study.ask()
        cut_off.suggest_categorical("TRACKER.SECOND_ASSOCIATION", (False, True))
    again = run(path, space, 3, resume=True)
    assert [done.number for done in again] == [0, 1, 2]
    assert again[1].values["SECOND_ASSOCIATION"] == cut_off.params["TRACKER.SECOND_ASSOCIATION"]


def test_trials_are_counted_over_all_runs(whole, space, tmp_path):
    path, told = tmp_path / "study.db", []
    assert run(path, space, 3) == whole[:3]
    assert run(path, space, 5, resume=True, tell=told.append) == whole[:5] == [*whole[:3], *told]
    assert run(path, space, 2, resume=True) == whole[:5]


def test_another_seed_gives_other_trials_after_the_first(whole, space, tmp_path):
    other = run(tmp_path / "study.db", space, 3, seed=4)
    assert other[0] == whole[0]
    assert other[1:] != whole[1:3]


def test_of_equal_scores_the_first_is_the_best():
    trials = [FinishedTrial(number, {}, {"HOTA": value}) for number, value in enumerate((0.4, 0.5, 0.5, 0.1))]
    assert best_of(trials, "HOTA").number == 1


@pytest.mark.usefixtures("whole")
def test_importances_are_shares_of_the_searched_keys(kept):
    with open_study(kept, TASK, resume=True) as study:
        found = importances(study)
    assert set(found) <= {f"TRACKER.{key}" for key in KEYS}
    assert sum(found.values()) == pytest.approx(1)


def test_a_study_is_not_mixed_with_another(space, tmp_path):
    path = tmp_path / "study.db"
    with pytest.raises(InputError, match=r"no such study"), open_study(path, TASK, resume=True):
        pass
    with open_study(path, TASK, resume=False) as study:
        assert importances(study) == {}
        assert finished(study, space) == []
    assert [file.name for file in tmp_path.iterdir()] == ["study.db"]
    for task, resume, message in (
        (TASK, False, "exists: go on with --resume"),
        ({**TASK, "metric": "MOTA", "data": {"A": "2"}}, True, "begun with other data, metric; choose another"),
    ):
        with pytest.raises(InputError, match=message), open_study(path, task, resume=resume):
            pass
    with open_study(path, TASK, resume=True):
        pass


def test_a_file_that_is_no_study(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("no database at all, but long enough to be read as one" * 40)
    with pytest.raises(InputError, match="no study that can be read") as caught, open_study(path, TASK, resume=True):
        pass
    assert "\n" not in str(caught.value)
