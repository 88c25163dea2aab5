import pytest

from fairmot.config.defaults import KEYS
from fairmot.config.load import load_cfg
from fairmot.utils.errors import InputError

CHOICES = {name: key.choices for name, key in KEYS.items() if key.choices}


def refused(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_cfg(None, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", CHOICES)
def test_unknown_choice_lists_the_choices(name: str) -> None:
    assert refused(name, "typo") == f"{name}: unknown 'typo'; choose from {', '.join(CHOICES[name])}"


def test_unknown_choice_of_a_dataset_lists_the_choices() -> None:
    message = refused("DATA.SETS.mine.SPLIT", "typo")
    assert message == "DATA.SETS.mine.SPLIT: unknown 'typo'; choose from whole, first_half, second_half"


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.minimum == 0 or key.above == 0])
def test_negative_number_is_refused(name: str) -> None:
    key = KEYS[name]
    value = (-1,) * max(len(key.default), 1) if isinstance(key.default, tuple) else -1
    assert refused(name, str(value)).endswith(f"must be {key.limits}")


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("INPUT.SIZE_HW", "(16, 640)", "at least 32"),
        ("AUGMENT.SCALE", "(1.2, 0.5)", "range"),
        ("AUGMENT.SCALE", "(0.0, 0.5)", "above 0"),
        ("SOLVER.EMA_DECAY", "1.0", "below 1"),
        ("SOLVER.MILESTONES", "(0, 20)", "at least 1"),
        ("SOLVER.MOMENTUM", "1.0", "below 1"),
        ("LOSS.TASK_WEIGHTS", "(0, 0)", "not both be 0"),
        ("MODEL.REID_NESTED", "(8, 8)", "distinct"),
        ("MODEL.WEIGHTS_SHA256", "0123456", "hexadecimal"),
        ("DATA.TRAIN", "()", "at least one"),
        ("DATA.CLASSES", "('car', 'car')", "distinct"),
        ("VIDEO.QUALITY", "52", "between 0 and 51"),
        ("PREDICT.REID_PREFIX", "65", "exceeds the embedding dimension 64"),
        ("TRACKER.CAMERA_MOTION_SIZE", "32", "at least 64"),
        ("TRACKER.INTERPOLATE_TAU", "1.0", "above 1"),
        ("DEVICE", "gpu", "cuda:N"),
        ("DEVICE", "cuda:", "cuda:N"),
        ("DEVICE", "cpu:1", "cuda:N"),
    ],
)
def test_value_outside_its_rule_is_refused(name: str, value: str, rule: str) -> None:
    message = refused(name, value)
    assert name in message
    assert rule in message


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:3"])
def test_device_names_are_accepted(name: str) -> None:
    assert str(load_cfg(None, ["DEVICE", name]).DEVICE) == name


def test_association_without_any_cost_is_refused() -> None:
    off = [text for name in ("APPEARANCE", "MOTION", "OVERLAP") for text in (f"TRACKER.USE_{name}", "False")]
    assert "at least one of them must be True" in refused(*off)
    assert not load_cfg(None, off[:4]).TRACKER.USE_MOTION


def test_camera_motion_file_without_a_name_is_refused() -> None:
    assert refused("TRACKER.CAMERA_MOTION", "file").startswith("TRACKER.CAMERA_FILE: ")


def test_quality_limit_depends_on_the_codec() -> None:
    assert load_cfg(None, ["VIDEO.CODEC", "vp9", "VIDEO.QUALITY", "63"]).VIDEO.QUALITY == 63
    assert "between 0 and 63" in refused("VIDEO.CODEC", "vp9", "VIDEO.QUALITY", "64")
