"""Parameter groups: every trainable parameter in one, with its learning rate and weight decay."""

import functools

import pytest
import torch
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.models.build import BACKBONES, build_model
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.optim.groups import describe_groups, parameter_groups

NAMES = tuple(BACKBONES)
SOLVER = ["SOLVER.BASE_LR", "0.01", "SOLVER.BACKBONE_LR", "0.25", "SOLVER.WEIGHT_DECAY", "0.5"]


def config(backbone, optimizer="adam"):
    return load_cfg(None, ["MODEL.BACKBONE", backbone, "MODEL.WIDTH", "0.125", "SOLVER.OPTIMIZER", optimizer, *SOLVER])


@functools.cache
def networks(backbone):
    with torch.device("meta"):
        return build_model(config(backbone)), build_criterion(config(backbone), num_identities=7)


def make(backbone, optimizer="adam"):
    model, criterion = networks(backbone)
    return model, criterion, build_optimizer(config(backbone, optimizer), model=model, criterion=criterion)


def trainable(model, criterion):
    """Full names -> parameters: what must be grouped."""
    parts = {"network": model, "criterion": criterion}
    return {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.named_parameters()
        if value.requires_grad
    }


def group_of(optimizer):
    """A parameter's id -> its group."""
    return {id(value): group for group in optimizer.param_groups for value in group["params"]}


def toy_groups(model, criterion=None, **options):
    criterion = nn.Module() if criterion is None else criterion
    return parameter_groups(model=model, criterion=criterion, **{"base_lr": 1.0, "weight_decay": 0.5, **options})


@pytest.fixture(scope="module", params=NAMES)
def parts(request):
    return make(request.param)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("backbone", NAMES)
def test_every_trainable_parameter_is_in_exactly_one_group(backbone, optimizer):
    model, criterion, built = make(backbone, optimizer)
    grouped = [id(value) for group in built.param_groups for value in group["params"]]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) == set(map(id, trainable(model, criterion).values()))
    assert {id(criterion.balance.s_det), id(criterion.balance.s_id), *map(id, criterion.identity.parameters())} <= set(
        grouped
    )


def test_groups_separate_backbone_network_and_criterion(parts):
    model, criterion, optimizer = parts
    groups = group_of(optimizer)
    for name, value in trainable(model, criterion).items():
        part = "backbone" if name.startswith("network.backbone.") else name.partition(".")[0]
        group = groups[id(value)]
        assert group["name"].removesuffix("_no_decay") == part, name
        assert group["lr"] == (0.0025 if part == "backbone" else 0.01), name


def test_only_convolutions_and_classifier_decay(parts):
    model, criterion, optimizer = parts
    groups = group_of(optimizer)
    norms = tuple(
        f"network.{name}."
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
    )
    assert norms
    for name, value in trainable(model, criterion).items():
        decays = name.endswith(".weight") and not name.startswith(norms)
        assert groups[id(value)]["weight_decay"] == (0.5 if decays else 0.0), name
        assert groups[id(value)]["name"].endswith("_no_decay") != decays, name


def test_known_parameters_are_in_expected_groups():
    model, criterion, optimizer = make("dla_34")
    values, groups = trainable(model, criterion), group_of(optimizer)
    names = {
        "network.backbone.base_layer.0.weight": "backbone",
        "network.backbone.base_layer.1.weight": "backbone_no_decay",
        "network.backbone.base_layer.1.bias": "backbone_no_decay",
        "network.neck.ida_up.proj_1.conv.weight": "network",
        "network.neck.ida_up.proj_1.conv.conv_offset_mask.weight": "network",
        "network.neck.ida_up.proj_1.conv.conv_offset_mask.bias": "network_no_decay",
        "network.neck.ida_up.proj_1.actf.0.weight": "network_no_decay",
        "network.heads.heatmap.2.bias": "network_no_decay",
        "criterion.identity.classifier.weight": "criterion",
        "criterion.identity.classifier.bias": "criterion_no_decay",
        "criterion.balance.s_det": "criterion_no_decay",
        "criterion.balance.s_id": "criterion_no_decay",
    }
    assert {name: groups[id(values[name])]["name"] for name in names} == names


def test_frozen_parameters_are_in_no_group(parts):
    model, _, optimizer = parts
    frozen = {id(value) for value in model.parameters() if not value.requires_grad}
    assert not frozen & group_of(optimizer).keys()


def test_group_of_frozen_parameters_is_absent():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    model[0].requires_grad_(False)
    (group,) = toy_groups(model)
    assert group["name"] == "network"
    assert [id(value) for value in group["params"]] == [id(model[1].weight)]


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(4),
        nn.SyncBatchNorm(4),
        nn.InstanceNorm2d(4, affine=True),
        nn.GroupNorm(2, 4),
        nn.LayerNorm((4, 3, 3)),  # its parameters have three dimensions
        nn.RMSNorm((4, 3)),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_normalisation_layers_do_not_decay(norm):
    groups = toy_groups(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), norm))
    assert [(group["name"], len(group["params"])) for group in groups] == [
        ("network", 1),
        ("network_no_decay", len(list(norm.parameters()))),
    ]


def test_bias_of_two_dimensions_does_not_decay():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.position_bias = nn.Parameter(torch.zeros(3, 3))

    assert [group["name"] for group in toy_groups(Table())] == ["network_no_decay"]


def test_network_without_backbone_has_no_backbone_group():
    groups = toy_groups(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), backbone_lr=0.1)
    assert [(group["name"], group["lr"]) for group in groups] == [
        ("network", 1.0),
        ("network_no_decay", 1.0),
        ("criterion", 1.0),
    ]


def test_shared_parameter_is_in_the_first_group_only():
    layer = nn.Linear(2, 2)
    model = nn.ModuleDict({"backbone": layer, "heads": nn.Sequential(layer, nn.Linear(2, 1))})
    groups = toy_groups(model, nn.Sequential(layer))
    assert {group["name"]: len(group["params"]) for group in groups} == {
        "backbone": 1,
        "backbone_no_decay": 1,
        "network": 1,
        "network_no_decay": 1,
    }


def test_weight_shared_with_a_norm_does_not_decay():
    norm, layer = nn.LayerNorm((2, 3)), nn.Linear(3, 2, bias=False)
    layer.weight = norm.weight
    assert [group["name"] for group in toy_groups(nn.Sequential(layer, norm))] == ["network_no_decay"]


CFG = load_cfg(
    None,
    ["SOLVER.WEIGHT_DECAY", "0.0005", "SOLVER.BACKBONE_LR", "0.1", "SOLVER.OPTIMIZER", "sgd", "SOLVER.WARMUP", "9"],
)
TABLE = """\
group               tensors   values   rate   decay
backbone                  1  200,000  1e-05  0.0005
network                   1    1,000  0.0001  0.0005
network_no_decay          1       10  0.0001       0
criterion_no_decay        2       40  0.0001       0
total                     5  201,050"""


def test_group_description_has_a_line_per_group_and_totals():
    model = nn.ModuleDict({"backbone": nn.Linear(2000, 100, bias=False), "heads": nn.Linear(100, 10)})
    optimizer = build_optimizer(CFG, model=model, criterion=nn.BatchNorm1d(20))
    build_schedule(CFG, optimizer, steps_per_epoch=5)
    assert optimizer.param_groups[1]["lr"] < 1e-4
    table = describe_groups(optimizer)
    assert [line.split() for line in table.splitlines()] == [line.split() for line in TABLE.splitlines()]
    *rows, total = table.splitlines()
    assert len({len(row) for row in rows}) == 1
    assert total.index("201,050") == rows[1].index("200,000")
