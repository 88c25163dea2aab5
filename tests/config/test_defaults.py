from typing import Any

import pytest

from fairmot.config.defaults import default_cfg
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.config.validate import CHOICES, NOT_NEGATIVE, POSITIVE, SHARES
from fairmot.utils.errors import InputError


def leaves(node: CfgNode, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, CfgNode) else {f"{prefix}{key}": value}
    return found


LEAVES = leaves(default_cfg())


def test_the_defaults_are_valid_and_fresh_each_time() -> None:
    load_cfg()
    changed = default_cfg()
    changed.MODEL.WIDTH = 9.0
    assert default_cfg().MODEL.WIDTH == 1.0


def test_the_keys_of_the_contract_have_their_published_values() -> None:
    published = {
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
    assert {name: LEAVES[name] for name in published} == published
    assert {"DATA.ROOT", "DATA.TRAIN", "SEED", "OUTPUT"} <= LEAVES.keys()
    assert {"SOLVER.BASE_LR", "SOLVER.EPOCHS", "SOLVER.BATCH_SIZE"} <= LEAVES.keys()


@pytest.mark.parametrize("name", LEAVES)
def test_every_key_has_a_type_that_is_checked(name: str) -> None:
    """No default is None (yacs then checks nothing), and a mapping fits none of the types."""
    assert type(LEAVES[name]) in (bool, int, float, str, tuple)
    with pytest.raises(InputError, match=name):
        load_cfg(None, [name, "{'a': 1}"])


@pytest.mark.parametrize("name", LEAVES)
def test_every_key_takes_its_own_default_as_text(name: str) -> None:
    cfg: Any = load_cfg(None, [name, str(LEAVES[name])])
    for part in name.split("."):
        cfg = cfg[part]
    assert cfg == LEAVES[name]
    assert type(cfg) is type(LEAVES[name])


def test_every_rule_is_about_a_key_that_exists() -> None:
    ruled = [*CHOICES, *POSITIVE, *NOT_NEGATIVE, *SHARES]
    assert set(ruled) <= LEAVES.keys()
    assert len(ruled) == len(set(ruled))
