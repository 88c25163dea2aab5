import pytest

from fairmot.config.load import load_cfg
from fairmot.config.validate import CHOICES, NOT_NEGATIVE, POSITIVE, SHARES
from fairmot.utils.errors import InputError


def refused(name: str, value: str) -> str:
    with pytest.raises(InputError) as caught:
        load_cfg(None, [name, value])
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    return message


@pytest.mark.parametrize("name", CHOICES)
def test_a_typo_lists_the_choices(name: str) -> None:
    message = refused(name, "typo")
    assert "unknown 'typo'" in message
    assert all(choice in message for choice in CHOICES[name])


@pytest.mark.parametrize(
    ("names", "value", "rule"),
    [
        (POSITIVE, "0", "above 0"),
        (NOT_NEGATIVE, "-1", "0 or more"),
        (SHARES, "2", "between 0 and 1"),
    ],
)
def test_every_ranged_key_is_held_to_its_range(names: list[str], value: str, rule: str) -> None:
    for name in names:
        assert rule in refused(name, value)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("INPUT.SIZE_HW", "(16, 640)", "at least 32"),
        ("AUGMENT.SCALE", "(1.2, 0.5)", "range"),
        ("SOLVER.EMA_DECAY", "1.0", "below 1"),
        ("SOLVER.MILESTONES", "(0, 20)", "epochs, from 1"),
        ("SOLVER.MOMENTUM", "1.0", "below 1"),
        ("AUGMENT.SCALE", "(0.0, 0.5)", "range"),
        ("DATA.TRAIN", "()", "at least one"),
        ("VIDEO.QUALITY", "52", "between 0 and 51"),
        ("VIDEO.QUALITY", "-1", "between 0 and 51"),
        ("TRACKER.CAMERA_MOTION_SIZE", "32", "at least 64"),
        ("TRACKER.INTERPOLATE_TAU", "1.0", "above 1"),
        ("DEVICE", "gpu", "cuda:N"),
        ("DEVICE", "cuda:", "cuda:N"),
        ("DEVICE", "cpu:1", "cuda:N"),
    ],
)
def test_values_that_make_no_sense(name: str, value: str, rule: str) -> None:
    assert rule in refused(name, value)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(name: str) -> None:
    cfg = load_cfg(None, ["DEVICE", name])
    assert str(cfg.DEVICE) == name


def test_something_is_left_to_associate_by() -> None:
    off = [text for name in ("APPEARANCE", "MOTION", "OVERLAP") for text in (f"TRACKER.USE_{name}", "False")]
    with pytest.raises(InputError, match="one of them must stay True"):
        load_cfg(None, off)
    assert not load_cfg(None, off[:4]).TRACKER.USE_MOTION


def test_a_file_of_camera_motion_has_a_name() -> None:
    with pytest.raises(InputError, match=r"TRACKER.CAMERA_FILE: .* needs one"):
        load_cfg(None, ["TRACKER.CAMERA_MOTION", "file"])


def test_each_codec_has_its_own_worst_quality() -> None:
    assert load_cfg(None, ["VIDEO.CODEC", "vp9", "VIDEO.QUALITY", "63"]).VIDEO.QUALITY == 63
    with pytest.raises(InputError, match="between 0 and 63"):
        load_cfg(None, ["VIDEO.CODEC", "vp9", "VIDEO.QUALITY", "64"])
