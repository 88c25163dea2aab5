"""The configurations in `configs/`."""

from pathlib import Path

import pytest
from helpers.locations import ROOT

from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def test_contract_configs_exist() -> None:
    assert {"quickstart", "mot17_half_dla34"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads_and_survives_a_checkpoint(path: Path) -> None:
    cfg = load_cfg(path)
    assert cfg.is_frozen()
    assert cfg_from_dict(cfg_to_dict(cfg)) == cfg


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_input_size_is_a_multiple_of_32(path: Path) -> None:
    assert all(side % 32 == 0 for side in load_cfg(path).INPUT.SIZE_HW)


def test_mot17_half_model_is_the_reference_model() -> None:
    cfg = load_cfg(ROOT / "configs/mot17_half_dla34.yaml")
    model = cfg.MODEL
    assert (model.BACKBONE, model.WIDTH, model.REID_DIM, model.HEAD_CHANNELS) == ("dla_34", 1.0, 64, 256)


def test_quickstart_model_is_slim() -> None:
    cfg = load_cfg(ROOT / "configs/quickstart.yaml")
    assert cfg.MODEL.BACKBONE == "dla_34"
    assert cfg.MODEL.WIDTH < 1
