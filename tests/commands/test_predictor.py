"""Predictor built from a checkpoint and its configuration."""

import warnings

import numpy as np
import pytest
import torch

from fairmot.commands.predictor import load_predictor
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.engine.build import build_predictor
from fairmot.formats.checkpoint import write_checkpoint
from fairmot.models.build import build_model
from fairmot.utils.errors import InputError

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "4", "MODEL.HEATMAP_BIAS", "0.5"]
INPUT = ["INPUT.SIZE_HW", "(64, 96)", "INPUT.UNDO", "exact", "PREDICT.TOP_K", "5"]
FRAME = np.random.default_rng(0).integers(0, 256, (70, 130, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(load_cfg(None, SLIM))


@pytest.fixture
def saved(tmp_path, model):
    """Save the network, with a configuration unless `cfg` is None."""

    def write(cfg=SLIM + INPUT, state=None):
        content = {"model": model.state_dict() if state is None else state}
        if isinstance(cfg, list):
            content["cfg"] = cfg_to_dict(load_cfg(None, cfg))
        write_checkpoint(tmp_path / "best.pt", content)
        return tmp_path / "best.pt"

    return write


def same(found, expected):
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-4)


def test_predictor_uses_the_checkpoint_cfg(saved, model):
    predictor = load_predictor(str(saved()), device="cpu")
    assert (predictor.input_hw, predictor.top_k, predictor.device.type) == ((64, 96), 5, "cpu")
    assert not predictor.model.training
    names = {type(module).__name__ for module in predictor.model.modules()}
    assert "Identity" in names  # batch norms are folded
    expected = build_predictor(load_cfg(None, SLIM + INPUT), model, device=torch.device("cpu"))(FRAME)
    assert len(expected) == 5
    same(predictor(FRAME), expected)


def test_overrides_change_the_checkpoint_cfg(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is missing
        predictor = load_predictor(saved(), ["INPUT.SIZE_HW", (32, 64), "PREDICT.TOP_K", "2"])
    assert (predictor.input_hw, predictor.top_k) == ((32, 64), 2)
    assert len(predictor(FRAME)) == 2


def test_checkpoint_without_cfg_needs_a_file(saved, tmp_path):
    weights = saved(cfg=None)
    with pytest.raises(InputError, match=r"best\.pt: contains no configuration; give a YAML file: config="):
        load_predictor(weights)
    config = tmp_path / "slim.yaml"
    config.write_text("MODEL: {WIDTH: 0.125, HEAD_CHANNELS: 8, REID_DIM: 4}\nINPUT: {SIZE_HW: [64, 96]}\n")
    assert load_predictor(weights, config=config).input_hw == (64, 96)


def test_config_file_replaces_the_checkpoint_cfg(saved, tmp_path):
    config = tmp_path / "slim.yaml"
    config.write_text("MODEL: {WIDTH: 0.125, HEAD_CHANNELS: 8, REID_DIM: 4}\nINPUT: {SIZE_HW: [32, 32]}\n")
    predictor = load_predictor(saved(), config=str(config))
    assert (predictor.input_hw, predictor.top_k) == ((32, 32), load_cfg().PREDICT.TOP_K)


def test_predictor_of_several_classes(tmp_path):
    options = [*SLIM, *INPUT, "DATA.CLASSES", ("pedestrian", "car"), "MODEL.NUM_CLASSES", "2"]
    cfg = load_cfg(None, options)
    write_checkpoint(tmp_path / "two.pt", {"model": build_model(cfg).state_dict(), "cfg": cfg_to_dict(cfg)})
    assert set(load_predictor(tmp_path / "two.pt")(FRAME).class_index.tolist()) <= {0, 1}


def test_head_without_weights_is_a_warning(saved, model):
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("heads.embedding")}
    with pytest.warns(UserWarning, match=r"best\.pt: weights.*\n  missing: heads\.embedding"):
        load_predictor(saved(state=state))


@pytest.mark.parametrize(
    ("overrides", "device", "message"),
    [
        (["MODEL.NOTHING", "1"], "cpu", "unknown key MODEL.NOTHING"),
        (["MODEL.WIDTH", "1.0", "MODEL.HEAD_CHANNELS", "256"], "cpu", r"best\.pt: only .* another network's file"),
        ([], "tpu", "DEVICE"),
        ([], "cuda:99", "this machine has"),
    ],
)
def test_invalid_override_or_device_is_refused(saved, overrides, device, message):
    with pytest.raises(InputError, match=message):
        load_predictor(saved(), overrides, device=device)


def test_missing_or_invalid_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.pt: no such file"):
        load_predictor(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("not weights")
    with pytest.raises(InputError, match=r"text\.pt: not a checkpoint"):
        load_predictor(tmp_path / "text.pt")
