"""Weight loading: matching of names and shapes, and the report."""

import pytest
import torch
import torchvision
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.formats.checkpoint import write_checkpoint
from fairmot.models.build import build_model
from fairmot.models.weight_names import BACKBONE, OURS, REFERENCE, to_reference_name
from fairmot.models.weights import load_weights
from fairmot.utils.errors import InputError

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8"]


def slim(*overrides):
    return build_model(load_cfg(None, [*SLIM, *overrides]))


def in_reference_names(model, prefix=""):
    return {prefix + to_reference_name(name, model.prefixes): value for name, value in model.state_dict().items()}


def same(model, other):
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def unchanged(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_reference_names_load_with_prefixes_and_wrappers(tmp_path, prefix, wrapper):
    source, target = slim(), slim()
    state = in_reference_names(source, prefix)
    path = tmp_path / "model.pth"
    write_checkpoint(path, {wrapper: state, "epoch": 30, "optimizer": {"state": {}}} if wrapper else state)
    report = load_weights(target, path)
    assert report.loaded_fraction == 1.0
    assert report.scheme == REFERENCE
    assert same(source, target)
    assert f"({REFERENCE}): {len(report.loaded)} loaded, 0 missing, 0 unexpected, 0 mismatched (100.0%" in str(report)


def test_own_state_dict_has_scheme_ours():
    source, target = slim(), slim()
    assert load_weights(target, {"model": source.state_dict(), "cfg": {}}).scheme == OURS
    assert same(source, target)


def test_plain_module_loads_by_its_own_names():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    report = load_weights(target, {f"module.{name}": value for name, value in source.state_dict().items()})
    assert (report.loaded, report.scheme) == (("weight", "bias"), OURS)
    assert same(source, target)


@pytest.mark.parametrize("dimension", ["128", "512", "1"])
def test_other_reid_dimension_keeps_and_reports_the_layer(dimension):
    source, target = slim("MODEL.REID_DIM", dimension), slim()
    before = snapshot(target)
    report = load_weights(target, in_reference_names(source))
    assert report.mismatched == ("heads.embedding.2.weight", "heads.embedding.2.bias")
    assert report.reinitialised == (f"heads.embedding (file {dimension}, network 64)",)
    assert f"\n  re-initialised: heads.embedding (file {dimension}, network 64)" in str(report)
    assert "mismatched:" not in str(report)
    for name, value in target.state_dict().items():
        assert torch.equal(value, before[name] if name in report.mismatched else source.state_dict()[name]), name


def test_centernet_coco_file_loads():
    """80 classes, two sides, no embedding, and the classifier that its DLA kept from ImageNet."""
    source, target = slim("MODEL.NUM_CLASSES", "80"), slim()
    state = {name: value for name, value in in_reference_names(source).items() if not name.startswith("id.")}
    state |= {"wh.2.weight": torch.zeros(2, 8, 1, 1), "wh.2.bias": torch.zeros(2)}
    state |= {"base.fc.weight": torch.zeros(1000, 64, 1, 1), "base.fc.bias": torch.zeros(1000)}
    report = load_weights(target, {"epoch": 230, "state_dict": state})
    assert report.scheme == REFERENCE
    assert report.reinitialised == ("heads.heatmap (file 80, network 1)", "heads.size_ltrb (file 2, network 4)")
    assert report.missing == tuple(f"heads.embedding.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias"))
    assert report.unexpected == ("base.fc.weight", "base.fc.bias")
    assert report.loaded_fraction > 0.9


def test_other_head_width_is_described():
    report = load_weights(slim(), slim("MODEL.HEAD_CHANNELS", "16").state_dict())
    assert report.reinitialised[0] == "heads.heatmap (file 16 wide, network 8 wide)"
    assert len(report.reinitialised) == 4


def test_mismatched_layer_keeps_weight_and_bias():
    """A weight's new start and a bias from the file would not belong together."""
    source, target = slim(), slim()
    before = snapshot(target)
    state = source.state_dict()
    state["neck.ida_up.proj_1.conv.conv_offset_mask.weight"] = torch.zeros(3)
    report = load_weights(target, state)
    layer = "neck.ida_up.proj_1.conv.conv_offset_mask"
    assert report.mismatched == (f"{layer}.weight", f"{layer}.bias")
    assert f"mismatched: {layer}.weight, {layer}.bias" in str(report)
    assert torch.equal(target.state_dict()[f"{layer}.bias"], before[f"{layer}.bias"])


@pytest.mark.parametrize(
    ("architecture", "trunk"),
    [("resdcn_18", "resnet18"), ("resdcn_34", "resnet34"), ("resfpndcn_34", "resnet34"), ("resdcn_50", "resnet50")],
)
def test_torchvision_imagenet_weights_load(architecture, trunk):
    model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    state = torchvision.models.get_model(trunk).state_dict()
    report = load_weights(model, state)
    assert report.scheme == BACKBONE
    assert report.unexpected == ("fc.weight", "fc.bias")
    assert not report.mismatched
    assert all(name.startswith(("neck.", "heads.")) for name in report.missing)
    assert torch.equal(model.state_dict()["backbone.layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_dla_imagenet_weights_load():
    source, target = slim(), slim()
    state = {f"{name}": value for name, value in source.backbone.state_dict().items()}
    state |= {"fc.weight": torch.zeros(1000, 64, 1, 1), "fc.bias": torch.zeros(1000)}
    report = load_weights(target, state)
    assert report.scheme == BACKBONE
    assert report.unexpected == ("fc.weight", "fc.bias")
    assert same(source.backbone, target.backbone)
    assert all(name.startswith(("neck.", "heads.")) for name in report.missing)


def test_hrnet_imagenet_weights_load():
    overrides = ["MODEL.BACKBONE", "hrnet_18", "MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "8"]
    source, target = build_model(load_cfg(None, overrides)), build_model(load_cfg(None, overrides))
    names = ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")
    state = {name: value for name, value in in_reference_names(source).items() if name.startswith(names)}
    extra = {"incre_modules.0.0.conv1.weight": torch.zeros(1), "classifier.weight": torch.zeros(1000, 9)}
    report = load_weights(target, {**state, **extra})
    assert report.scheme == BACKBONE
    assert report.unexpected == tuple(extra)
    assert same(source.backbone, target.backbone)


def test_yolo_backbone_without_prefix_loads():
    overrides = ["MODEL.BACKBONE", "yolo", "MODEL.WIDTH", "0.25"]
    source, target = build_model(load_cfg(None, overrides)), build_model(load_cfg(None, overrides))
    state = {name.removeprefix("backbone."): v for name, v in in_reference_names(source).items() if "model." in name}
    report = load_weights(target, state)
    assert not report.unexpected
    assert all(name.startswith("heads.") for name in report.missing)
    assert same(source.neck, target.neck)


def test_file_without_batch_counters_is_complete():
    state = {name: value for name, value in in_reference_names(slim()).items() if "num_batches" not in name}
    report = load_weights(slim(), state)
    assert (report.missing, report.loaded_fraction) == ((), 1.0)


def test_numpy_arrays_load():
    source, target = slim(), slim()
    load_weights(target, {name: value.numpy() for name, value in source.state_dict().items()})
    assert same(source, target)


def test_half_precision_is_converted_to_float32():
    source, target = slim(), slim()
    load_weights(target, {name: value.half() for name, value in source.state_dict().items()})
    assert target.heads["heatmap"][2].weight.dtype == torch.float32


def test_missing_and_unexpected_names_are_reported():
    state = in_reference_names(slim())
    del state["reg.0.bias"]
    report = load_weights(slim(), {**state, "extra.weight": torch.zeros(3)})
    assert report.missing == ("heads.offset.0.bias",)
    assert report.unexpected == ("extra.weight",)
    assert "\n  missing: heads.offset.0.bias\n  unexpected: extra.weight" in str(report)


def test_second_name_of_a_parameter_is_unexpected():
    state = slim().state_dict()
    reference = in_reference_names(slim())
    report = load_weights(slim(), {**reference, "heads.heatmap.2.bias": state["heads.heatmap.2.bias"]})
    assert report.unexpected == ("heads.heatmap.2.bias",)


def test_almost_no_match_raises_and_leaves_the_model():
    model = slim()
    before = snapshot(model)
    with pytest.raises(InputError, match=r"state dict: only \d+\.\d% of .* begin hm.2.bias, conv1"):
        load_weights(model, {"hm.2.bias": torch.zeros(1), "conv1.weight": torch.zeros(8, 3, 7, 7)})
    with pytest.raises(InputError, match=r"only 0\.0% .* holds no weights"):
        load_weights(model, {})
    assert unchanged(model, before)


def test_other_width_raises(tmp_path):
    path = tmp_path / "wide.pth"
    write_checkpoint(path, slim("MODEL.WIDTH", "0.25").state_dict())
    with pytest.raises(InputError, match=rf"{path}: only \d\.\d% .* mismatched\)"):
        load_weights(slim(), path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_values_raise_and_leave_the_model(value):
    model = slim()
    before = snapshot(model)
    state = in_reference_names(slim())
    for name in ("wh.0.weight", "id.0.weight"):
        state[name] = torch.full_like(state[name], value)
    with pytest.raises(InputError, match=r"wh\.0\.weight holds values that are not finite"):
        load_weights(model, state)
    assert unchanged(model, before)


def test_self_referencing_file_raises():
    content = {"epoch": 1}
    content["model"] = content
    with pytest.raises(InputError, match="holds no weights"):
        load_weights(slim(), content)
