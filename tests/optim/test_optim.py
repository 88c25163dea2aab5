"""Every trainable parameter is trained, once; the rate drops where it should."""

import pytest
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.optim.groups import parameter_groups

CFG = load_cfg(None, ["MODEL.WIDTH", "0.125", "SOLVER.STEPS", "(2, 3)", "SOLVER.BASE_LR", "0.1"])


@pytest.fixture(scope="module")
def parts():
    model, criterion = build_model(CFG), build_criterion(CFG, num_identities=7)
    return model, criterion, build_optimizer(CFG, model=model, criterion=criterion)


def test_every_trainable_parameter_is_in_exactly_one_group(parts):
    model, criterion, optimizer = parts
    grouped = [id(value) for group in optimizer.param_groups for value in group["params"]]
    trainable = [id(v) for module in (model, criterion) for v in module.parameters() if v.requires_grad]
    assert sorted(grouped) == sorted(trainable)
    assert len(set(grouped)) == len(grouped)


def test_classifier_and_loss_weights_are_among_them(parts):
    _, criterion, optimizer = parts
    grouped = {id(value) for group in optimizer.param_groups for value in group["params"]}
    assert {
        id(criterion.balance.s_det),
        id(criterion.balance.s_id),
        id(criterion.identity.classifier.weight),
    } <= grouped


def test_a_shared_parameter_is_grouped_once():
    layer = nn.Linear(2, 2)
    groups = parameter_groups(one=layer, two=nn.Sequential(layer, nn.Linear(2, 1)))
    assert [len(group["params"]) for group in groups] == [2, 2]


def test_the_rate_drops_after_the_named_epochs(parts):
    _, _, optimizer = parts
    schedule = build_schedule(CFG, optimizer)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])
