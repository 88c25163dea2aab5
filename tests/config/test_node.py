import pytest

from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.utils.errors import InputError


def test_frozen_node_refuses_attributes_and_items() -> None:
    """yacs refuses only the attribute; `cfg["SEED"] = 1` passes there."""
    cfg = load_cfg()
    with pytest.raises(AttributeError):
        cfg.SEED = 1
    with pytest.raises(InputError, match="frozen"):
        cfg["SEED"] = 1
    with pytest.raises(InputError, match="frozen"):
        cfg.MODEL["WIDTH"] = 1
    with pytest.raises(InputError, match="frozen"):
        del cfg["SEED"]


def test_merges_of_yacs_are_disabled() -> None:
    """They execute Python files, check no types and fail by assertion."""
    cfg = load_cfg()
    with pytest.raises(InputError, match="load_cfg"):
        cfg.merge_from_list(["SEED", 1])
    with pytest.raises(InputError, match="load_cfg"):
        cfg.merge_from_file("evil.py")


def test_unfrozen_node_is_a_mapping() -> None:
    node = CfgNode({"A": 1, "B": 2})
    node["A"] = 3
    del node["B"]
    assert dict(node) == {"A": 3}
