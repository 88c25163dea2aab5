import matplotlib as mpl
import numpy as np
import pytest

from fairmot.viz.tuning import KeySlice, TuningHistory, draw_tuning


def history_of(trials: int, *, keys: int = 3, parts: int = 2) -> TuningHistory:
    rng = np.random.default_rng(0)
    scores = rng.uniform(40, 60, trials)
    slices = [KeySlice(f"KEY_{number}", rng.random(trials), importance=1 / keys) for number in range(keys - 2)]
    places = np.where(rng.random(trials) < 0.2, np.nan, rng.integers(0, 2, trials).astype(float))
    slices.append(KeySlice("WORDS", places, ("linear", "gaussian")))
    slices.append(KeySlice("LOG", rng.integers(1, 100, trials).astype(float), is_log=True))
    best = int(np.argmax(scores))
    names = ("tuned", "held out")[:parts]
    return TuningHistory(
        "HOTA", np.arange(trials), scores, best, slices, names, [scores[0], 47.0][:parts], [scores[best], 46.0][:parts]
    )


@pytest.mark.parametrize(("trials", "keys", "parts", "height"), [(1, 2, 1, 705), (150, 6, 2, 960), (20, 40, 1, 1215)])
def test_pictures_of_any_number_of_trials_and_keys(trials: int, keys: int, parts: int, height: int) -> None:
    before = dict(mpl.rcParams)
    picture = draw_tuning(history_of(trials, keys=keys, parts=parts), "HOTA over some trials")
    assert picture.dtype == np.uint8
    assert picture.shape == (height, 1360, 3)
    assert picture.flags.c_contiguous
    assert picture.std() > 10
    assert dict(mpl.rcParams) == before


def test_another_history_is_another_picture_and_the_same_the_same() -> None:
    first, again, other = (draw_tuning(history_of(trials, keys=2, parts=1), "") for trials in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
