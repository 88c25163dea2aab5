"""Losses stay finite where the published ones broke, and say what they should on small cases."""

import math

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.identity import IdentityLoss, embedding_scale
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


def multi_class_objects():
    """One image, four objects of classes 0, 2, 0 and 2, the last without an identity."""
    torch.manual_seed(0)
    embedding = torch.randn(1, 4, 2, 2, requires_grad=True)
    identities, classes = torch.tensor([[2, 1, 0, -1]]), torch.tensor([[0, 2, 0, 2]])
    return embedding, identities, torch.tensor([[0, 1, 2, 3]]), torch.ones(1, 4, dtype=torch.bool), classes


def test_each_class_has_its_own_classifier_and_each_object_weighs_the_same():
    embedding, *objects = multi_class_objects()
    criterion = IdentityLoss(4, (3, 0, 6))
    assert criterion.classifier.weight.shape == (9, 4)
    unit = torch.nn.functional.normalize(embedding.detach().flatten(2)[0].T, dim=1)
    expected = 0.0
    for row, identity, (first, last) in ((0, 2, (0, 3)), (1, 1, (3, 9)), (2, 0, (0, 3))):
        scaled = embedding_scale(last - first) * unit[row]
        logits = criterion.classifier.weight[first:last] @ scaled + criterion.classifier.bias[first:last]
        expected += float(-logits.log_softmax(0)[identity].detach())
    assert float(criterion(embedding, *objects).detach()) == pytest.approx(expected / 3, rel=1e-5)


def test_one_class_is_the_published_loss_bit_for_bit():
    embedding, identities, indices, mask, _ = multi_class_objects()
    criterion = IdentityLoss(4, 500)
    assert list(criterion.state_dict()) == ["classifier.weight", "classifier.bias"]
    assert criterion.scales == (embedding_scale(500),)
    known = embedding.detach().flatten(2)[0].T[:3]
    logits = criterion.classifier(embedding_scale(500) * torch.nn.functional.normalize(known, dim=1))
    expected = torch.nn.functional.cross_entropy(logits, identities[0, :3], reduction="sum") / 3
    for given in (IdentityLoss(4, 500), IdentityLoss(4, [500])):
        given.load_state_dict(criterion.state_dict())
        assert torch.equal(given(embedding, identities, indices, mask), expected)


@pytest.mark.parametrize(
    "shown", [[0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 1, 1]], ids=lambda kinds: f"class {kinds[0]} only"
)
@pytest.mark.parametrize("counts", [(3, 0, 6), (3, 1, 3), (0, 0, 0)], ids=str)
def test_every_parameter_has_a_gradient_whichever_class_is_shown(shown, counts):
    embedding, identities, indices, mask, _ = multi_class_objects()
    criterion = IdentityLoss(4, counts)
    kinds = torch.tensor([shown])
    identities = identities.clamp(max=counts[shown[0]] - 1)
    loss = criterion(embedding, identities, indices, mask, kinds)
    loss.backward()
    tensors = [embedding, *criterion.parameters()]
    assert all(value.grad is not None and bool(torch.isfinite(value.grad).all()) for value in tensors)
    rows = [bool(block.any()) for block in torch.split(criterion.classifier.weight.grad, list(criterion.counts))]
    assert rows == [kind == shown[0] and count > 1 for kind, count in enumerate(counts)]


def test_the_joint_loss_hands_on_the_classes():
    outputs, batch = outputs_and_batch(identities=[0, 1, 2], present=[True, True, True])
    criterion = build_criterion(load_cfg(None, ["MODEL.REID_DIM", "16"]), num_identities=(3, 3))
    first = criterion(outputs, batch).identity
    second = criterion(outputs, batch._replace(classes_BK=torch.ones(2, 3, dtype=torch.int64))).identity
    assert float(first.detach()) != float(second.detach())


def test_uncertainty_weighting_at_known_values():
    balance = UncertaintyWeighting(start_det=0.0, start_id=math.log(2))
    total = balance(torch.tensor(3.0), torch.tensor(4.0))
    assert float(total.detach()) == pytest.approx(0.5 * (3 + 2 + math.log(2)))
