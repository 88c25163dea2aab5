import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from fairmot.commands.tune.search_space import choose_space, search_table
from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg
from fairmot.config.tracker_keys import TRACKER
from fairmot.utils.errors import InputError

TABLE = search_table()


def start_of(*overrides: str):
    return cfg_to_dict(load_cfg(None, overrides))["TRACKER"]


ON = start_of(
    "TRACKER.SECOND_ASSOCIATION", "True", "TRACKER.OCR", "True", "TRACKER.INTERPOLATE", "gaussian",
    "TRACKER.GALLERY_BUFFER", "30",
)  # fmt: skip


def names_of(space):
    return [key.name for key in space.keys]


def ends_of(domain):
    return domain.choices if hasattr(domain, "choices") else (domain.low, domain.high)


def test_search_table_key_follows_those_that_it_needs():
    names = list(TABLE)
    for name, (_, search) in TABLE.items():
        for need in search.needs:
            needed = need.partition("=")[0]
            assert TRACKER[needed].search is None or names.index(needed) < names.index(name)


@pytest.mark.parametrize("name", TABLE)
def test_search_table_ends_of_a_range_are_valid_values(name):
    (key,) = choose_space(ON, [name]).keys
    for value in ends_of(key.domain):
        assert cfg_from_dict({"TRACKER": {name: value}}).TRACKER[name] == value


def test_choose_space_default_is_the_thresholds_in_use():
    default, byte = choose_space(start_of()), choose_space(start_of("TRACKER.PRESET", "byte"))
    assert "CONF_THRESHOLD" in names_of(default)
    assert set(names_of(byte)) - set(names_of(default)) == {"SECOND_THRESHOLD", "SECOND_OVERLAP_THRESHOLD"}
    by_name = {name for name, (_, search) in TABLE.items() if search.when == "by name"}
    assert not by_name & set(names_of(byte))


def test_choose_space_default_includes_keys_that_are_on():
    assert "OVERLAP_WEIGHT" not in names_of(choose_space(start_of()))
    assert "OVERLAP_WEIGHT" in names_of(choose_space(start_of("TRACKER.OVERLAP_WEIGHT", "0.3")))


def test_choose_space_excludes_keys_without_effect():
    assert "MOTION_LAMBDA" not in names_of(choose_space(start_of("TRACKER.USE_MOTION", "False")))
    no_overlap = start_of("TRACKER.USE_OVERLAP", "False", "TRACKER.SECOND_ASSOCIATION", "True", "TRACKER.OCR", "True")
    overlaps = {"OVERLAP_THRESHOLD", "UNCONFIRMED_THRESHOLD", "SECOND_THRESHOLD", "OCR_THRESHOLD"}
    assert not overlaps & set(names_of(choose_space(no_overlap)))


def test_choose_space_names_with_and_without_section_are_equal():
    with_section = choose_space(start_of(), ["TRACKER.BUFFER", "TRACKER.CONF_THRESHOLD"])
    assert names_of(with_section) == names_of(choose_space(start_of(), ["CONF_THRESHOLD", "BUFFER", "BUFFER"]))


def test_choose_space_all_is_every_key_with_an_effect():
    everything = choose_space(start_of(), ["all"])
    assert names_of(everything) == [name for name in TABLE if name != "CAMERA_MOTION"]
    assert everything.has_conditions
    assert "MEASUREMENT_NOISE" not in names_of(choose_space(start_of("TRACKER.USE_MOTION", "False"), ["all"]))


def test_choose_space_wrong_names_are_one_line():
    with pytest.raises(
        InputError, match=r"--keys: unknown TRACKER\.SPEED; choose from all, .*CONF_THRESHOLD"
    ) as caught:
        choose_space(start_of(), ["TRACKER.SPEED"])
    assert "\n" not in str(caught.value)
    with pytest.raises(
        InputError, match=r"TRACKER\.SECOND_THRESHOLD has no effect unless TRACKER\.SECOND_ASSOCIATION is on"
    ):
        choose_space(start_of(), ["SECOND_THRESHOLD"])
    with pytest.raises(InputError, match=r"unless TRACKER\.INTERPOLATE is gaussian"):
        choose_space(start_of("TRACKER.INTERPOLATE", "linear"), ["INTERPOLATE_TAU"])


def test_suggest_excludes_keys_whose_switch_is_off():
    space = choose_space(start_of(), ["SECOND_ASSOCIATION", "SECOND_THRESHOLD", "BUFFER"])
    low = {"TRACKER.SECOND_THRESHOLD": 0.2, "TRACKER.BUFFER": 12}
    on = space.suggest(FixedTrial({"TRACKER.SECOND_ASSOCIATION": True, **low}))
    off = space.suggest(FixedTrial({"TRACKER.SECOND_ASSOCIATION": False, **low}))
    assert on == {"SECOND_ASSOCIATION": True, "BUFFER": 12, "SECOND_THRESHOLD": 0.2}
    assert off == {"SECOND_ASSOCIATION": False, "BUFFER": 12}
    assert space.first() == {"TRACKER.SECOND_ASSOCIATION": False, "TRACKER.BUFFER": 30}


def test_suggest_values_with_a_step_are_short_numbers():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    space = choose_space(start_of(), ["CONF_THRESHOLD", "MOTION_LAMBDA"])
    for _ in range(20):
        trial = study.ask()
        values = space.suggest(trial)
        assert all(len(str(value)) <= 5 for value in values.values())


@given(
    share=st.floats(0, 1),
    buffer=st.integers(0, 1000),
    gallery=st.integers(1, 5000),
    aspect=st.floats(0, 9),
    smooth=st.floats(0.001, 1000),
    gap=st.integers(0, 900),
)
def test_choose_space_contains_any_start_exactly(share, buffer, gallery, aspect, smooth, gap):
    start = start_of("TRACKER.PRESET", "byte") | {
        "CONF_THRESHOLD": share,
        "SECOND_THRESHOLD": share,
        "MOTION_LAMBDA": share,
        "BUFFER": buffer,
        "GALLERY_BUFFER": gallery,
        "MAX_ASPECT": aspect,
        "INTERPOLATE": "gaussian",
        "INTERPOLATE_TAU": smooth,
        "INTERPOLATE_GAP": gap,
        "CAMERA_MOTION": "ecc",
    }
    space = choose_space(start, ["all"])
    first = space.first()
    for key in space.keys:
        if key.full_name in first:
            value = first[key.full_name]
            assert key.domain._contains(key.domain.to_internal_repr(value)), key
            assert value == start[key.name]


def test_choose_space_camera_motion_offers_only_the_given_method():
    (key,) = choose_space(start_of("TRACKER.CAMERA_MOTION", "ecc"), ["CAMERA_MOTION"]).keys
    assert key.domain.choices == ("none", "ecc")
