"""Every configuration that we ship loads, and says what its name promises."""

from pathlib import Path

import pytest
from helpers.locations import ROOT

from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def test_the_configurations_of_the_contract_exist() -> None:
    assert {"quickstart", "mot17_half_dla34"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_loads_and_survives_a_checkpoint(path: Path) -> None:
    cfg = load_cfg(path)
    assert cfg.is_frozen()
    assert cfg_from_dict(cfg_to_dict(cfg)) == cfg


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_its_input_size_suits_the_network(path: Path) -> None:
    """Sizes are padded up to a multiple of 32; what we ship needs no padding."""
    assert all(side % 32 == 0 for side in load_cfg(path).INPUT.SIZE_HW)


def test_the_full_model_is_the_published_one() -> None:
    cfg = load_cfg(next(path for path in CONFIGS if path.stem == "mot17_half_dla34"))
    assert (cfg.MODEL.BACKBONE, cfg.MODEL.WIDTH, cfg.MODEL.REID_DIM, cfg.MODEL.HEAD_CHANNELS) == (
        "dla_34",
        1.0,
        64,
        256,
    )


def test_the_quickstart_is_slim() -> None:
    cfg = load_cfg(next(path for path in CONFIGS if path.stem == "quickstart"))
    assert cfg.MODEL.BACKBONE == "dla_34"
    assert cfg.MODEL.WIDTH < 1
