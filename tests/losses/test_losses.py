"""Losses stay finite where the published ones broke, and say what they should on small cases."""

import math

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import UncertaintyWeighting
from fairmot.losses.regression import ObjectL1Loss
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs


def outputs_and_batch(*, identities, present):
    """Two images, a 6 x 8 map, three object slots."""
    rng = torch.Generator().manual_seed(0)
    outputs = HeadOutputs(*(torch.randn(2, c, 6, 8, generator=rng).requires_grad_() for c in (1, 4, 2, 16)))
    heatmap = torch.zeros(2, 1, 6, 8)
    indices = torch.tensor([[3, 10, 40], [5, 6, 7]])
    mask = torch.tensor(present).expand(2, 3).clone()
    for image, cells in enumerate(indices):
        heatmap[image, 0].view(-1)[cells[mask[image]]] = 1.0
    batch = Batch(
        images_B3HW=torch.zeros(2, 3, 24, 32),
        heatmap_BCHW=heatmap,
        indices_BK=indices,
        mask_BK=mask,
        sizes_BK4=torch.ones(2, 3, 4),
        offsets_BK2=torch.full((2, 3, 2), 0.5),
        identities_BK=torch.tensor(identities).expand(2, 3).clone(),
        classes_BK=torch.zeros(2, 3, dtype=torch.int64),
        radii_BK=torch.ones(2, 3, dtype=torch.int64),
        names=("a.jpg", "b.jpg"),
    )
    return outputs, batch


@pytest.mark.parametrize(
    ("identities", "present", "count"),
    [
        ([0, 1, 2], [True, True, True], 3),
        ([-1, -1, -1], [True, True, True], 3),
        ([-1, -1, -1], [False, False, False], 3),
        ([0, 0, 0], [True, True, False], 1),
        ([0, 1, -1], [True, True, True], 2),
        ([-1, -1, -1], [False, False, False], 0),
    ],
    ids=["ordinary", "no valid identity", "no object", "one identity", "two identities", "no identities at all"],
)
def test_losses_and_gradients_are_finite(identities, present, count):
    outputs, batch = outputs_and_batch(identities=identities, present=present)
    criterion = build_criterion(load_cfg(None, ["MODEL.REID_DIM", "16"]), num_identities=count)
    terms = criterion(outputs, batch)
    terms.total.backward()
    assert all(bool(torch.isfinite(value)) for value in terms)
    gradients = [*(value.grad for value in outputs), *(value.grad for value in criterion.parameters())]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
    if -1 in identities and 0 not in identities:
        assert float(terms.identity.detach()) == 0.0


def test_focal_loss_on_one_cell():
    loss = HeatmapFocalLoss()
    logit = torch.tensor([[[[0.0]]]])
    assert float(loss(logit, torch.ones(1, 1, 1, 1))) == pytest.approx(0.25 * math.log(2))
    assert float(loss(logit, torch.zeros(1, 1, 1, 1))) == pytest.approx(0.25 * math.log(2))
    assert float(loss(logit, torch.full((1, 1, 1, 1), 0.5))) == pytest.approx(0.25 * math.log(2) / 16)


def test_l1_is_the_mean_over_present_values():
    maps = torch.zeros(1, 2, 1, 3)
    target = torch.tensor([[[1.0, 3.0], [100.0, 100.0]]])
    loss = ObjectL1Loss()(maps, target, torch.tensor([[1, 2]]), torch.tensor([[True, False]]))
    assert float(loss) == pytest.approx(2.0, rel=1e-3)


def test_identity_loss_reads_only_known_objects():
    torch.manual_seed(0)
    criterion = IdentityLoss(4, 5)
    embedding = torch.randn(1, 4, 2, 2)
    indices, mask = torch.tensor([[0, 3]]), torch.tensor([[True, True]])
    both = criterion(embedding, torch.tensor([[2, -1]]), indices, mask)
    one = criterion(embedding, torch.tensor([[2]]), indices[:, :1], mask[:, :1])
    assert float(both.detach()) == pytest.approx(float(one.detach()))


def test_uncertainty_weighting_at_known_values():
    balance = UncertaintyWeighting(start_det=0.0, start_id=math.log(2))
    total = balance(torch.tensor(3.0), torch.tensor(4.0))
    assert float(total.detach()) == pytest.approx(0.5 * (3 + 2 + math.log(2)))
