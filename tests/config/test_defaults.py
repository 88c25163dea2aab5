from typing import Any

import pytest

from fairmot.config.defaults import DATASET, KEYS, default_cfg
from fairmot.config.load import load_cfg
from fairmot.models.architectures import BACKBONES
from fairmot.utils.errors import InputError


def value_of(cfg: Any, name: str) -> Any:
    for part in name.split("."):
        cfg = cfg[part]
    return cfg


def test_default_cfg_is_valid_and_new_each_time() -> None:
    load_cfg()
    changed = default_cfg()
    changed.MODEL.WIDTH = 9.0
    assert default_cfg().MODEL.WIDTH == 1.0


def test_contract_keys_have_reference_values() -> None:
    reference = {
        "MODEL.BACKBONE": "dla_34",
        "MODEL.WIDTH": 1.0,
        "MODEL.REID_DIM": 64,
        "MODEL.HEAD_CHANNELS": 256,
        "INPUT.SIZE_HW": (608, 1088),
        "INPUT.UNDO": "published",
        "TRACKER.CONF_THRESHOLD": 0.4,
        "TRACKER.BUFFER": 30,
        "TRACKER.PRESET": "fairmot",
        "EVAL.PROTOCOL": "auto",
        "DEVICE": "auto",
    }
    assert {name: KEYS[name].default for name in reference} == reference
    assert {"DATA.ROOT", "DATA.TRAIN", "SEED", "OUTPUT"} <= KEYS.keys()
    assert {"SOLVER.BASE_LR", "SOLVER.EPOCHS", "SOLVER.BATCH_SIZE"} <= KEYS.keys()


@pytest.mark.parametrize("name", KEYS)
def test_key_has_a_type_that_is_checked(name: str) -> None:
    """No default is None, and a mapping fits none of the types."""
    assert type(KEYS[name].default) in (bool, int, float, str, tuple)
    with pytest.raises(InputError, match=name):
        load_cfg(None, [name, "{'a': 1}"])


@pytest.mark.parametrize("name", KEYS)
def test_key_accepts_its_default_as_text(name: str) -> None:
    default = KEYS[name].default
    value = value_of(load_cfg(None, [name, str(default)]), name)
    assert value == default
    assert type(value) is type(default)


@pytest.mark.parametrize("key", [*KEYS.values(), *DATASET.values()], ids=[*KEYS, *DATASET])
def test_key_has_a_description_and_an_allowed_default(key: Any) -> None:
    assert key.description
    assert not key.description.endswith(".")
    key.check("", key.default)


def test_backbone_values_are_the_registered_ones() -> None:
    assert sorted(KEYS["MODEL.BACKBONE"].values.split(", ")) == list(BACKBONES)
