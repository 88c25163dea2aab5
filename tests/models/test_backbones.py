"""Every registered backbone at reduced width: shapes, initialisation, gradients, tracing."""

import re

import pytest
import torch
from helpers.locations import ROOT
from torch import distributed, nn

from fairmot.config.load import load_cfg
from fairmot.models.build import BACKBONES, build_model
from fairmot.models.layers.conv import bilinear_upsample
from fairmot.models.layers.deform_conv.layer import DeformConv2d
from fairmot.utils.errors import InputError

NAMES = tuple(BACKBONES)
DEAD = {
    "dla_34": ("backbone.level3.project.", "backbone.level4.project."),
    "dlaconv_34": ("backbone.level3.project.", "backbone.level4.project."),
    "dlav0_34": ("backbone.level3.project.", "backbone.level4.project.", "backbone.fc."),
}


def make(name, *, width="0.125"):
    torch.manual_seed(0)
    overrides = ["MODEL.BACKBONE", name, "MODEL.WIDTH", width, "MODEL.HEAD_CHANNELS", "8"]
    return build_model(load_cfg(None, overrides))


def images(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


def test_documentation_lists_every_network():
    table = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NAMES) * 2  # networks and times


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "size_hw"), [("0.125", (64, 96)), ("0.25", (96, 64))])
def test_maps_are_a_quarter_of_the_image(name, width, size_hw):
    height, width_px = size_hw
    with torch.inference_mode():
        outputs = make(name, width=width).eval()(images(2, 3, *size_hw))
    for output in outputs:
        assert output.shape[0] == 2
        assert output.shape[-2:] == (height // 4, width_px // 4)
        assert output.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_full_width_builds_on_the_meta_device(name):
    with torch.device("meta"):
        model = build_model(load_cfg(None, ["MODEL.BACKBONE", name]))
        outputs = model(torch.empty(2, 3, 608, 1080))
    assert all(value.is_meta for value in model.state_dict().values())
    assert outputs.embedding.shape == (2, 64, 152, 270)


@pytest.fixture(scope="module")
def one_process_group(tmp_path_factory):
    rendezvous = tmp_path_factory.mktemp("ddp") / "file"
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("name", NAMES)
def test_distributed_training_finds_no_unused_parameter(name, one_process_group):
    """DistributedDataParallel refuses a second step when a parameter that requires a gradient got none in the first."""
    model = nn.parallel.DistributedDataParallel(make(name).train())
    for _ in range(2):
        sum(output.square().mean() for output in model(images(2, 3, 64, 64))).backward()


def test_distributed_training_detects_an_unused_parameter(one_process_group):
    model = make("dla_34").train().requires_grad_(True)
    wrapped = nn.parallel.DistributedDataParallel(model)
    sum(output.square().mean() for output in wrapped(images(2, 3, 64, 64))).backward()
    with pytest.raises(RuntimeError, match="Expected to have finished reduction"):
        wrapped(images(2, 3, 64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_are_independent_in_eval_mode(name):
    model, batch = make(name).eval(), images(2, 3, 64, 64)
    with torch.inference_mode():
        together, alone = model(batch), model(batch[1:])
    for joint, single in zip(together, alone, strict=True):
        assert float((joint[1:] - single).norm()) <= 1e-4 * float(single.norm())


@pytest.mark.parametrize("name", NAMES)
def test_one_step_changes_all_parameters_but_the_frozen(name):
    """The heatmap starts near one tenth, maps neither vanish nor explode, what is frozen is what is known as dead."""
    model = make(name).train()
    outputs = model(images(2, 3, 64, 96))
    assert 0.02 < float(outputs.heatmap.detach().sigmoid().mean()) < 0.3
    assert 1e-3 < float(outputs.embedding.detach().std()) < 10
    sum(output.square().mean() for output in outputs).backward()
    parameters = dict(model.named_parameters())
    frozen = {key for key, value in parameters.items() if not value.requires_grad}
    assert frozen == {key for key in parameters if key.startswith(DEAD.get(name, ("nothing",)))}
    idle = [key for key, value in parameters.items() if value.grad is None and key not in frozen]
    assert idle == []
    unmoved = [key for key, value in parameters.items() if value.grad is not None and not value.grad.any()]
    assert unmoved == []


class KeepsDeformable(torch.fx.Tracer):
    """As inference folding traces: the deformable convolution stays one call."""

    def is_leaf_module(self, module, qualified_name):
        return isinstance(module, DeformConv2d) or super().is_leaf_module(module, qualified_name)


@pytest.mark.parametrize("name", NAMES)
def test_backbone_and_neck_can_be_traced(name):
    model = make(name).eval()
    body = nn.Sequential(model.backbone, model.neck)
    graph = KeepsDeformable().trace(body)
    traced = torch.fx.GraphModule(body, graph)
    with torch.inference_mode():
        for size_hw in ((64, 96), (32, 64)):
            batch = images(1, 3, *size_hw)
            torch.testing.assert_close(traced(batch), body(batch))


def test_full_upsampling_kernel_starts_as_the_depthwise_one():
    features = images(1, 3, 5, 6)
    mixing, apart = bilinear_upsample(3, 2, depthwise=False), bilinear_upsample(3, 2)
    torch.testing.assert_close(mixing(features), apart(features))


def test_yolo_heads_have_64_channels_and_silu():
    with torch.device("meta"):
        yolo, dla = (build_model(load_cfg(None, ["MODEL.BACKBONE", name])) for name in ("yolo", "dla_34"))
    assert isinstance(yolo.heads["heatmap"][1], nn.SiLU)
    assert yolo.heads["heatmap"][0].out_channels == 64
    assert isinstance(dla.heads["heatmap"][1], nn.ReLU)
    assert dla.heads["heatmap"][0].out_channels == 256


def test_unknown_backbone_error_lists_the_choices():
    with pytest.raises(InputError, match=r"choose from dla_34, .*yolo"):
        build_model(load_cfg(None, ["MODEL.BACKBONE", "hrnet"]))
