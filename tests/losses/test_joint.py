"""Joint loss and its parts: finite values, known values, classes."""

import math

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.identity import IdentityLoss, embedding_scale
from fairmot.losses.regression import ObjectL1Loss
from fairmot.losses.task_weighting import UncertaintyWeighting
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import EmbeddingSamples, HeadOutputs


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
        image_paths=("a.jpg", "b.jpg"),
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
def test_joint_loss_has_finite_values_and_gradients(identities, present, count):
    outputs, batch = outputs_and_batch(identities=identities, present=present)
    criterion = build_criterion(load_cfg(None, ["MODEL.REID_DIM", "16"]), num_identities=count)
    losses = criterion(outputs, batch)
    criterion.balance(losses.detection, losses.identity).backward()
    assert all(bool(torch.isfinite(value)) for value in losses)
    gradients = [*(value.grad for value in outputs), *(value.grad for value in criterion.parameters())]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
    if -1 in identities and 0 not in identities:
        assert float(losses.identity.detach()) == 0.0


def test_focal_loss_of_one_cell_has_known_values():
    loss = HeatmapFocalLoss()
    logit = torch.tensor([[[[0.0]]]])
    assert float(loss(logit, torch.ones(1, 1, 1, 1))) == pytest.approx(0.25 * math.log(2))
    assert float(loss(logit, torch.zeros(1, 1, 1, 1))) == pytest.approx(0.25 * math.log(2))
    assert float(loss(logit, torch.full((1, 1, 1, 1), 0.5))) == pytest.approx(0.25 * math.log(2) / 16)


def test_l1_loss_is_the_mean_over_masked_values():
    maps = torch.zeros(1, 2, 1, 3)
    target = torch.tensor([[[1.0, 3.0], [100.0, 100.0]]])
    loss = ObjectL1Loss()(maps, target, torch.tensor([[1, 2]]), torch.tensor([[True, False]]))
    assert float(loss) == pytest.approx(2.0, rel=1e-3)


def test_identity_loss_uses_objects_of_known_identity_only():
    criterion = build_criterion(load_cfg(None, ["MODEL.REID_DIM", "16"]), num_identities=5)
    outputs, batch = outputs_and_batch(identities=[2, -1, -1], present=[True, True, True])
    one = outputs_and_batch(identities=[2, 1, 1], present=[True, False, False])[1]
    assert torch.equal(criterion(outputs, batch).identity, criterion(outputs, one).identity)


def samples_of(identities, classes=None):
    """As many embeddings of 4 values."""
    embeddings = torch.randn(len(identities), 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    kinds = torch.tensor(classes) if classes else torch.zeros(len(identities), dtype=torch.int64)
    return EmbeddingSamples(embeddings, torch.tensor(identities), kinds)


def test_identity_loss_has_a_classifier_per_class_and_equal_objects():
    samples = samples_of([2, 1, 0], [0, 2, 0])
    torch.manual_seed(0)
    criterion = IdentityLoss(4, (3, 0, 6))
    assert criterion.classifier.weight.shape == (9, 4)
    unit = torch.nn.functional.normalize(samples.embeddings_ND.detach(), dim=1)
    expected = 0.0
    for row, identity, (first, last) in ((0, 2, (0, 3)), (1, 1, (3, 9)), (2, 0, (0, 3))):
        scaled = embedding_scale(last - first) * unit[row]
        logits = criterion.classifier.weight[first:last] @ scaled + criterion.classifier.bias[first:last]
        expected += float(-logits.log_softmax(0)[identity].detach())
    assert float(criterion(samples, torch.tensor(3)).detach()) == pytest.approx(expected / 3, rel=1e-5)


def test_identity_loss_of_one_class_equals_reference_bit_exactly():
    samples = samples_of([2, 1, 0])
    criterion = IdentityLoss(4, 500)
    assert list(criterion.state_dict()) == ["classifier.weight", "classifier.bias"]
    assert criterion.scales == (embedding_scale(500),)
    logits = criterion.classifier(embedding_scale(500) * torch.nn.functional.normalize(samples.embeddings_ND, dim=1))
    expected = torch.nn.functional.cross_entropy(logits, samples.identities_N, reduction="sum") / 3
    for given in (IdentityLoss(4, 500), IdentityLoss(4, [500])):
        given.load_state_dict(criterion.state_dict())
        assert torch.equal(given(samples, torch.tensor(3)), expected)


def test_embeddings_that_share_an_object_weigh_as_one():
    alone, twice = samples_of([2, 1]), samples_of([2, 1, 1])
    embeddings = alone.embeddings_ND[[0, 1, 1]]
    weighted = twice._replace(embeddings_ND=embeddings, weights_N=torch.tensor([1.0, 0.25, 0.75]))
    criterion = IdentityLoss(4, 500)
    assert torch.allclose(criterion(weighted, torch.tensor(2)), criterion(alone, torch.tensor(2)))


@pytest.mark.parametrize("kind", [0, 1, 2], ids=lambda kind: f"class {kind} only")
@pytest.mark.parametrize("counts", [(3, 0, 6), (3, 1, 3), (0, 0, 0)], ids=str)
def test_identity_loss_gives_every_parameter_a_gradient(kind, counts):
    number = 3 if counts[kind] else 0
    samples = samples_of([min(k, counts[kind] - 1) for k in (2, 1, 0)][:number], [kind] * number)
    if not number:
        samples = samples._replace(identities_N=samples.identities_N.long(), classes_N=samples.classes_N.long())
    criterion = IdentityLoss(4, counts)
    criterion(samples, torch.tensor(number)).backward()
    tensors = [samples.embeddings_ND, *criterion.parameters()]
    assert all(value.grad is not None and bool(torch.isfinite(value.grad).all()) for value in tensors)
    rows = [bool(block.any()) for block in torch.split(criterion.classifier.weight.grad, list(criterion.counts))]
    assert rows == [kind == shown and count > 1 for shown, count in enumerate(counts)]


def test_joint_loss_depends_on_the_classes():
    outputs, batch = outputs_and_batch(identities=[0, 1, 2], present=[True, True, True])
    criterion = build_criterion(load_cfg(None, ["MODEL.REID_DIM", "16"]), num_identities=(3, 3))
    first = criterion(outputs, batch).identity
    second = criterion(outputs, batch._replace(classes_BK=torch.ones(2, 3, dtype=torch.int64))).identity
    assert float(first.detach()) != float(second.detach())


def test_uncertainty_weighting_has_known_values():
    balance = UncertaintyWeighting(start_det=0.0, start_id=math.log(2))
    total = balance(torch.tensor(3.0), torch.tensor(4.0))
    assert float(total.detach()) == pytest.approx(0.5 * (3 + 2 + math.log(2)))
