"""Conversion to our parameter names and back, bit-exact."""

import pytest
import torch

from fairmot.cli import main
from fairmot.commands.convert import convert
from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg
from fairmot.formats.checkpoint import read_checkpoint, write_checkpoint
from fairmot.models.build import build_model
from fairmot.models.weight_names import to_reference_name
from fairmot.models.weights import load_weights
from fairmot.utils.errors import InputError

SLIM = ["MODEL.WIDTH", "0.125"]


def write_published(path, *overrides, prefix="", extra=(), **beside):
    model = build_model(load_cfg(None, [*SLIM, *overrides]))
    state = {prefix + to_reference_name(name, model.prefixes): value for name, value in model.state_dict().items()}
    write_checkpoint(path, {"epoch": 30, "state_dict": {**state, **dict(extra)}, **beside})
    return {name.removeprefix(prefix): value for name, value in state.items()} | dict(extra)


def assert_same(state, other):
    assert list(state) == list(other)
    for name, value in state.items():
        assert value.dtype == other[name].dtype, name
        assert torch.equal(value, other[name]), name


def test_convert_and_back_is_bit_exact(tmp_path):
    published, ours, back = tmp_path / "a.pth", tmp_path / "b.pt", tmp_path / "c.pth"
    sizes = ("MODEL.REID_DIM", "128", "MODEL.NUM_CLASSES", "3", "MODEL.HEAD_CHANNELS", "16")
    state = write_published(published, *sizes, prefix="module.", optimizer={"lr": 1e-4})
    convert(published, ours, overrides=SLIM)
    content = torch.load(ours, weights_only=True)
    cfg = cfg_from_dict(content["cfg"])
    assert (cfg.MODEL.REID_DIM, cfg.MODEL.NUM_CLASSES, cfg.MODEL.HEAD_CHANNELS) == (128, 3, 16)
    assert (cfg.MODEL.BACKBONE, cfg.MODEL.WIDTH) == ("dla_34", 0.125)
    assert load_weights(build_model(cfg), ours).loaded_fraction == 1.0
    convert(ours, back)
    content = torch.load(back, weights_only=True)
    assert content.keys() == {"epoch", "state_dict"}
    assert content["epoch"] == 30
    assert_same(content["state_dict"], state)


def test_unexpected_tensors_are_kept(tmp_path):
    published, ours, back = tmp_path / "a.pth", tmp_path / "b.pt", tmp_path / "c.pth"
    extra = {"base.fc.bias": torch.zeros(1000), "wh.2.bias": torch.ones(2), "wh.2.weight": torch.ones(2, 256, 1, 1)}
    state = write_published(published, extra=extra.items())
    report = convert(published, ours, overrides=SLIM).report
    assert report.unexpected == ("base.fc.bias",)
    assert report.reinitialised == ("heads.size_ltrb (file 2, network 4)",)
    convert(ours, back)
    assert_same(read_checkpoint(back)["state_dict"], state)


@pytest.mark.parametrize(
    "architecture", ["dlav0_34", "resdcn_18", "resfpndcn_34", pytest.param("hrnet_18", marks=pytest.mark.slow), "yolo"]
)
def test_architecture_is_inferred_from_names_and_shapes(tmp_path, architecture):
    state = write_published(tmp_path / "a.pth", "MODEL.BACKBONE", architecture)
    done = convert(tmp_path / "a.pth", tmp_path / "b.pt", overrides=SLIM)
    assert (done.model["BACKBONE"], done.is_inferred, done.to) == (architecture, True, "fairmot")
    convert(tmp_path / "b.pt", tmp_path / "c.pth")
    assert_same(read_checkpoint(tmp_path / "c.pth")["state_dict"], state)


def test_training_checkpoint_keeps_its_cfg_and_epoch(tmp_path):
    cfg = load_cfg(None, [*SLIM, "MODEL.BACKBONE", "resdcn_18", "OUTPUT", "runs/it's"])
    model = build_model(cfg)
    saved = {"model": model.state_dict(), "cfg": cfg_to_dict(cfg), "progress": {"epoch": 7}, "optimizer": {"state": {}}}
    write_checkpoint(tmp_path / "last.pt", saved)
    convert(tmp_path / "last.pt", tmp_path / "published.pth")
    assert read_checkpoint(tmp_path / "published.pth")["epoch"] == 7
    convert(tmp_path / "last.pt", tmp_path / "lean.pt", to="fairmot")
    content = read_checkpoint(tmp_path / "lean.pt")
    assert cfg_from_dict(content["cfg"]) == cfg
    assert content.keys() == {"model", "cfg", "epoch", "format"}
    assert_same(content["model"], model.state_dict())


def test_command_prints_architecture_report_and_file(tmp_path, capsys):
    write_published(tmp_path / "a.pth")
    arguments = ["convert", "--input", str(tmp_path / "a.pth"), "--output", str(tmp_path / "b.pt")]
    assert main([*arguments, *SLIM]) == 0
    shown = capsys.readouterr().out
    assert "MODEL.BACKBONE dla_34 (inferred), WIDTH 0.125, REID_DIM 64, NUM_CLASSES 1, HEAD_CHANNELS 256" in shown
    assert "weights (FairMOT/CenterNet names): 396 loaded, 0 missing" in shown
    assert f"fairmot names -> {tmp_path / 'b.pt'} (" in shown
    assert main([*arguments, *SLIM]) == 0, "an output that exists is replaced"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.pth", "b.pt"]


def test_invalid_input_writes_nothing(tmp_path):
    path, output = tmp_path / "a.pth", tmp_path / "b.pt"
    write_published(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is the input"):
        convert(path, tmp_path / "." / "a.pth", overrides=SLIM)
    with pytest.raises(InputError, match="a folder"):
        convert(path, tmp_path, overrides=SLIM)
    with pytest.raises(InputError, match="no such file"):
        convert(tmp_path / "none.pth", output)
    with pytest.raises(InputError, match="fit no known architecture"):
        convert(path, output)
    with pytest.raises(InputError, match=r"only \d+\.\d% of the network's values"):
        convert(path, output, overrides=[*SLIM, "MODEL.BACKBONE", "resdcn_18"])
    assert path.read_bytes() == before
    assert not output.exists()


def test_size_that_contradicts_the_file_is_refused(tmp_path):
    source = tmp_path / "ours.pt"
    write_checkpoint(source, {"model": build_model(load_cfg(None, ["MODEL.WIDTH", "0.125"])).state_dict()})
    with pytest.raises(InputError, match=r"MODEL\.REID_DIM is 64 in the file, not 128"):
        convert(source, tmp_path / "out.pth", overrides=["MODEL.WIDTH", "0.125", "MODEL.REID_DIM", "128"])
    assert not (tmp_path / "out.pth").exists()


def test_backbone_alone_needs_the_architecture_name(tmp_path):
    model = build_model(load_cfg(None, SLIM))
    write_checkpoint(tmp_path / "a.pth", model.backbone.state_dict())
    with pytest.raises(InputError, match=r"MODEL\.BACKBONE"):
        convert(tmp_path / "a.pth", tmp_path / "b.pt", overrides=SLIM)
    done = convert(tmp_path / "a.pth", tmp_path / "b.pt", overrides=[*SLIM, "MODEL.BACKBONE", "dla_34"])
    assert done.report.scheme == "ImageNet backbone"
    assert all(name.startswith("backbone.") for name in read_checkpoint(tmp_path / "b.pt")["model"])


def test_nested_embedding_lengths_stay_in_the_cfg(tmp_path):
    sizes = ["MODEL.WIDTH", "0.125", "MODEL.REID_DIM", "16", "MODEL.REID_NESTED", "(32, 8)"]
    source = tmp_path / "nested.pth"
    write_published(source, *sizes)
    done = convert(source, tmp_path / "out.pt", overrides=[*sizes, "MODEL.BACKBONE", "dla_34"])
    assert (done.model["REID_DIM"], done.model["REID_NESTED"]) == (16, [32, 8])
    with pytest.raises(InputError, match=r"MODEL\.REID_DIM is 32 in the file, not 16"):
        convert(source, tmp_path / "other.pt", overrides=[*sizes[:4], "MODEL.BACKBONE", "dla_34"])
