import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from fairmot.commands.tune.search_space import NOT_SEARCHED, TABLE, choose_space
from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg
from fairmot.utils.errors import InputError


def start_of(*overrides: str):
    return cfg_to_dict(load_cfg(None, overrides))["TRACKER"]


def names_of(space):
    return [key.name for key in space.keys]


def ends_of(domain):
    return domain.choices if hasattr(domain, "choices") else (domain.low, domain.high)


def test_each_tracker_key_is_in_the_table_or_left_out_on_purpose():
    listed = [key.name for key in TABLE] + list(NOT_SEARCHED)
    assert sorted(listed) == sorted(start_of())


def test_a_key_stands_below_those_that_it_needs():
    names = [key.name for key in TABLE]
    for place, key in enumerate(TABLE):
        for need in key.needs:
            assert need.key in NOT_SEARCHED or names.index(need.key) < place


@pytest.mark.parametrize("key", TABLE, ids=lambda key: key.name)
def test_all_of_a_range_is_a_valid_configuration(key):
    for value in ends_of(key.domain):
        assert cfg_from_dict({"TRACKER": {key.name: value}}).TRACKER[key.name] == value


def test_without_names_the_thresholds_that_have_an_effect_are_searched():
    published, byte = choose_space(start_of()), choose_space(start_of("TRACKER.PRESET", "byte"))
    assert "CONF_THRESHOLD" in names_of(published)
    assert set(names_of(byte)) - set(names_of(published)) == {"SECOND_THRESHOLD", "SECOND_OVERLAP_THRESHOLD"}
    switches = {key.name for key in TABLE if key.asked == "by name"}
    assert not switches & set(names_of(byte))


def test_a_strength_is_searched_where_it_is_not_off():
    assert "OVERLAP_WEIGHT" not in names_of(choose_space(start_of()))
    assert "OVERLAP_WEIGHT" in names_of(choose_space(start_of("TRACKER.OVERLAP_WEIGHT", "0.3")))


def test_no_motion_no_weight_of_it():
    assert "MOTION_LAMBDA" not in names_of(choose_space(start_of("TRACKER.USE_MOTION", "False")))
    blind = start_of("TRACKER.USE_OVERLAP", "False", "TRACKER.SECOND_ASSOCIATION", "True", "TRACKER.OCR", "True")
    overlaps = {"OVERLAP_THRESHOLD", "UNCONFIRMED_THRESHOLD", "SECOND_THRESHOLD", "OCR_THRESHOLD"}
    assert not overlaps & set(names_of(choose_space(blind)))


def test_names_with_and_without_their_section():
    with_section = choose_space(start_of(), ["TRACKER.BUFFER", "TRACKER.CONF_THRESHOLD"])
    assert names_of(with_section) == names_of(choose_space(start_of(), ["CONF_THRESHOLD", "BUFFER", "BUFFER"]))


def test_all_is_every_key_that_can_have_an_effect():
    everything = choose_space(start_of(), ["all"])
    assert names_of(everything) == [key.name for key in TABLE if key.name != "CAMERA_MOTION"]
    assert everything.has_conditions
    assert "MEASUREMENT_NOISE" not in names_of(choose_space(start_of("TRACKER.USE_MOTION", "False"), ["all"]))


def test_wrong_names_are_one_line():
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


def test_a_key_whose_switch_is_off_in_a_trial_is_left_out_of_it():
    space = choose_space(start_of(), ["SECOND_ASSOCIATION", "SECOND_THRESHOLD", "BUFFER"])
    low = {"TRACKER.SECOND_THRESHOLD": 0.2, "TRACKER.BUFFER": 12}
    on = space.suggest(FixedTrial({"TRACKER.SECOND_ASSOCIATION": True, **low}))
    off = space.suggest(FixedTrial({"TRACKER.SECOND_ASSOCIATION": False, **low}))
    assert on == {"SECOND_ASSOCIATION": True, "BUFFER": 12, "SECOND_THRESHOLD": 0.2}
    assert off == {"SECOND_ASSOCIATION": False, "BUFFER": 12}
    assert space.first() == {"TRACKER.SECOND_ASSOCIATION": False, "TRACKER.BUFFER": 30}


def test_values_on_the_grid_are_short_numbers():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    space = choose_space(start_of(), ["CONF_THRESHOLD", "MOTION_LAMBDA"])
    for _ in range(20):
        trial = study.ask()
        values = space.suggest(trial)
        assert all(len(str(value)) <= 5 for value in values.values())
        assert space.values_of_params(trial.params) == values


@given(
    share=st.floats(0, 1),
    buffer=st.integers(0, 1000),
    gallery=st.integers(1, 5000),
    aspect=st.floats(0, 9),
    smooth=st.floats(0.001, 1000),
    gap=st.integers(0, 900),
)
def test_any_start_is_in_its_space_and_stays_exactly_itself(share, buffer, gallery, aspect, smooth, gap):
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
            assert space.values_of_params({key.full_name: value}) == {key.name: start[key.name]}


def test_of_the_camera_s_motion_only_what_is_at_hand_is_a_choice():
    (key,) = choose_space(start_of("TRACKER.CAMERA_MOTION", "ecc"), ["CAMERA_MOTION"]).keys
    assert key.domain.choices == ("none", "ecc")
