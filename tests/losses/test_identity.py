"""Identity losses: properties that all share, and known values of each."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from fairmot.config.load import load_cfg
from fairmot.losses.build import build_identity
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.matryoshka import MatryoshkaLoss
from fairmot.losses.softmax_losses import CircleLoss, FocalCrossEntropy, cross_entropy
from fairmot.losses.triplet import TripletLoss, mine_triplets
from fairmot.structures.outputs import EmbeddingSamples

KINDS = ("cross_entropy", "focal", "triplet", "circle", "partial_fc")
DIMS = 12


def samples_of(identities, classes=None, *, seed=0, weights=None):
    """As many embeddings of DIMS values in float64."""
    rng = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(identities), DIMS, generator=rng, dtype=torch.float64).requires_grad_()
    kinds = torch.tensor(classes or [0] * len(identities), dtype=torch.int64)
    weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    return EmbeddingSamples(embeddings, torch.tensor(identities, dtype=torch.int64), kinds, weights)


def known_of(samples):
    return torch.tensor(len(samples.identities_N))


def build(kind, *overrides, counts=(5, 0, 4)):
    torch.manual_seed(1)
    keys = ["LOSS.IDENTITY", kind, "MODEL.REID_DIM", str(DIMS), "LOSS.SAMPLE_RATE", "1.0", *overrides]
    return build_identity(load_cfg(None, keys), num_identities=counts).double()


MANY = samples_of([0, 4, 0, 1, 1, 3, 3], [0, 0, 0, 0, 2, 2, 2])


@pytest.mark.parametrize("nested", ["()", "(3, 7)"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_descent_lowers_every_identity_loss(kind, nested):
    loss = build(kind, "MODEL.REID_NESTED", nested)
    embeddings = MANY.embeddings_ND.detach().clone().requires_grad_()
    parameters = [embeddings, *loss.parameters()]
    values = []
    for _ in range(60):
        value = loss(MANY._replace(embeddings_ND=embeddings), known_of(MANY))
        gradients = torch.autograd.grad(value, parameters)
        assert all(bool(torch.isfinite(gradient.to_dense()).all()) for gradient in gradients)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient.to_dense(), alpha=0.05)
        values.append(float(value.detach()))
    assert 0 <= values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("nested", ["()", "(3, 7)"])
@pytest.mark.parametrize("kind", KINDS)
def test_identity_loss_without_objects_is_0_with_gradients(kind, nested):
    loss = build(kind, "MODEL.REID_NESTED", nested)
    nothing = samples_of([])
    value = loss(nothing, torch.tensor(0))
    value.backward()
    assert float(value.detach()) == 0.0
    for parameter in (nothing.embeddings_ND, *loss.parameters()):
        assert parameter.grad is not None
        assert not bool(parameter.grad.to_dense().any())


@pytest.mark.parametrize("kind", KINDS)
def test_identity_loss_is_divided_by_objects_of_the_step(kind):
    loss = build(kind)
    whole, half = (float(loss(MANY, torch.tensor(known)).detach()) for known in (7, 14))
    assert half == pytest.approx(whole / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_that_share_an_object_weigh_as_one(kind):
    """The same embedding three times, by thirds, where that changes no triplet."""
    loss = build(kind)
    thirds = [1.0, 1.0, 1.0, 1.0, 1 / 3, 1 / 3, 1 / 3]
    tripled = MANY._replace(
        embeddings_ND=MANY.embeddings_ND[[0, 1, 2, 3, 4, 4, 4]],
        identities_N=MANY.identities_N[[0, 1, 2, 3, 4, 4, 4]],
        classes_N=MANY.classes_N[[0, 1, 2, 3, 4, 4, 4]],
        weights_N=torch.tensor(thirds, dtype=torch.float64),
    )
    once = EmbeddingSamples(*(field[:5] for field in MANY[:3]))
    weighed, plain = (float(loss(samples, torch.tensor(5)).detach()) for samples in (tripled, once))
    assert weighed == pytest.approx(plain)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_loss_of_classes_is_independent(kind):
    loss = build(kind)
    parts = [MANY.select_class(kind) for kind in (0, 2)]
    apart = sum(float(loss(part, torch.tensor(7)).detach()) for part in parts)
    together = float(loss(MANY, torch.tensor(7)).detach())
    if kind == "triplet":  # means over anchors: of both classes together, or of each
        anchors = [len(mine_triplets(functional.normalize(part.embeddings_ND, dim=1), part)[0]) for part in parts]
        means = [float(loss(part, known_of(part)).detach()) for part in parts]
        apart = sum(a * m for a, m in zip(anchors, means, strict=True)) / sum(anchors)
    assert together == pytest.approx(apart)


def test_cross_entropy_is_the_default_identity_loss():
    assert isinstance(build_identity(load_cfg(), num_identities=3), IdentityLoss)
    assert IdentityLoss(4, 3).logit_loss is cross_entropy


# focal


def test_focal_with_gamma_0_equals_cross_entropy():
    focal, plain = build("focal", "LOSS.FOCAL_GAMMA", "0"), build("cross_entropy")
    values, gradients = [], []
    for loss in (focal, plain):
        values.append(loss(MANY, known_of(MANY)))
        gradients.append(torch.autograd.grad(values[-1], [MANY.embeddings_ND, *loss.parameters()]))
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_follows_its_equation(gamma):
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]], dtype=torch.float64)
    samples = samples_of([0, 1], weights=[1.0, 0.5])
    p = [math.exp(2) / (math.exp(2) + 1 + math.exp(-1)), math.exp(0.5) / (2 * math.exp(0.5) + math.exp(3))]
    expected = sum(-weight * (1 - q) ** gamma * math.log(q) for q, weight in zip(p, (1.0, 0.5), strict=True))
    assert float(FocalCrossEntropy(gamma)(logits, samples)) == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_at_probability_1_has_a_finite_gradient(gamma):
    logits = torch.tensor([[90.0, 0.0], [0.0, 90.0]], requires_grad=True)  # float32: p is exactly 1, and almost 0
    FocalCrossEntropy(gamma)(logits, samples_of([0, 0])).backward()
    assert bool(torch.isfinite(logits.grad).all())
    assert logits.grad[0].tolist() == pytest.approx([0.0, 0.0], abs=1e-30)
    assert logits.grad[1].tolist() == pytest.approx([-1.0, 1.0])


# circle


def circle_of_two(own, other, *, margin=0.25, scale=16.0):
    """Its loss and the slopes along the two cosines."""
    cosines = torch.tensor([[own, other]], dtype=torch.float64, requires_grad=True)
    loss = CircleLoss(margin=margin, scale=scale)(cosines, samples_of([0]))
    loss.backward()
    return float(loss.detach()), cosines.grad[0].tolist()


@pytest.mark.parametrize("angle", [0.3, 0.8, 1.2])
@pytest.mark.parametrize("margin", [0.1, 0.25, 0.4])
def test_circle_loss_is_log_2_on_the_circle(angle, margin):
    """On s_n^2 + (s_p - 1)^2 = 2 m^2 it is undecided: log 2; outside more, inside less."""
    for radius, compare in ((1.0, "equal"), (1.2, "more"), (0.8, "less")):
        own = 1 - radius * math.sqrt(2) * margin * math.cos(angle)
        other = radius * math.sqrt(2) * margin * math.sin(angle)
        loss, _ = circle_of_two(own, other, margin=margin)
        assert {"equal": abs(loss - math.log(2)) < 1e-9, "more": loss > 0.7, "less": loss < 0.69}[compare]


@pytest.mark.parametrize(("own", "other"), [(0.9, 0.4), (0.2, 0.1), (0.5, -0.1)])
def test_circle_gradient_grows_with_distance_from_optimum(own, other):
    margin, scale = 0.25, 16.0
    loss, (slope_own, slope_other) = circle_of_two(own, other, margin=margin, scale=scale)
    far_own, far_other = 1 + margin - own, other + margin
    assert loss == pytest.approx(
        math.log1p(math.exp(scale * (far_other * (other - margin) - far_own * (own - (1 - margin)))))
    )
    share = 1 - math.exp(-loss)
    assert slope_other == pytest.approx(share * scale * far_other)
    assert slope_own == pytest.approx(-share * scale * far_own)


def test_circle_of_three_identities_follows_its_equation():
    cosines = torch.tensor([[0.3, -0.6, 0.5]], dtype=torch.float64)
    far, goal = [0.0, 0.3 + 0.25], [-0.6 - 0.25, 0.3 - 0.25]
    assert far[0] == max(0.0, -0.6 + 0.25)
    total = sum(math.exp(8 * a * g) for a, g in zip(far, goal, strict=True))
    expected = math.log1p(total * math.exp(-8 * (1.25 - 0.5) * (0.5 - 0.75)))
    assert float(CircleLoss(margin=0.25, scale=8.0)(cosines, samples_of([2]))) == pytest.approx(expected)


def test_circle_loss_ignores_norms():
    loss = build("circle")
    value = float(loss(MANY, known_of(MANY)).detach())
    assert list(loss.state_dict()) == ["classifier.weight"]
    with torch.no_grad():
        loss.classifier.weight *= torch.arange(1.0, 10.0, dtype=torch.float64)[:, None]
    longer = MANY._replace(embeddings_ND=3 * MANY.embeddings_ND)
    assert float(loss(longer, known_of(MANY)).detach()) == pytest.approx(value)


def test_circle_loss_of_one_identity_is_0():
    assert float(build("circle", counts=1)(samples_of([0, 0]), torch.tensor(2)).detach()) == 0.0


# triplet


def triplets_by_loops(samples, margin):
    """Hermans et al., equation 5, as it is written."""
    unit = functional.normalize(samples.embeddings_ND.detach(), dim=1)
    keys = list(zip(samples.classes_N.tolist(), samples.identities_N.tolist(), strict=True))
    losses = []
    for a, key in enumerate(keys):
        distances = [float((unit[a] - other).norm()) for other in unit]
        positives = [d for b, d in enumerate(distances) if b != a and keys[b] == key]
        negatives = [d for b, d in enumerate(distances) if keys[b][0] == key[0] and keys[b] != key]
        if positives and negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
    return sum(losses) / max(1, len(losses))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=12), st.floats(0, 1), st.integers(0, 99))
def test_triplet_loss_equals_loops_over_the_batch(objects, margin, seed):
    samples = samples_of([identity for _, identity in objects], [kind for kind, _ in objects], seed=seed)
    value = TripletLoss(margin=margin)(samples, known_of(samples))
    assert float(value.detach()) == pytest.approx(triplets_by_loops(samples, margin), abs=1e-9)


def test_triplets_do_not_depend_on_the_chunk_size(monkeypatch):
    rng = torch.Generator().manual_seed(2)
    unit_ND = functional.normalize(torch.randn(23, 4, generator=rng), dim=1)
    identities_N, classes_N = (torch.randint(0, high, (23,), generator=rng) for high in (6, 2))
    samples = EmbeddingSamples(unit_ND, identities_N, classes_N)
    whole = mine_triplets(unit_ND, samples)
    assert len(whole[0]) > 10
    monkeypatch.setattr("fairmot.losses.triplet.ROWS", 5)
    assert all(map(torch.equal, mine_triplets(unit_ND, samples), whole))


def test_triplet_loss_of_points_on_a_circle_has_known_value():
    """Anchor at 0 degrees, its positive at 60 (distance 1), a negative at 90 (root 2), another farther away."""
    angles = torch.deg2rad(torch.tensor([0.0, 60, 90, 180], dtype=torch.float64))
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    samples = samples_of([7, 7, 8, 9])._replace(embeddings_ND=embeddings)
    near = 2 * math.sin(math.radians(15))  # from 60 to 90 degrees
    expected = (max(0.0, 0.3 + 1 - math.sqrt(2)) + 0.3 + 1 - near) / 2
    assert float(TripletLoss(margin=0.3)(samples, torch.tensor(4))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("identities", "classes"),
    [([1, 2, 3], [0, 0, 0]), ([1, 1, 1], [0, 0, 0]), ([3, 3, 4], [0, 1, 0]), ([3, 3, 4], [0, 0, 1])],
    ids=["nobody twice", "nobody else", "the same number in another class", "nobody else in the class"],
)
def test_triplets_need_a_positive_and_a_negative(identities, classes):
    samples = samples_of(identities, classes)
    value = TripletLoss()(samples, known_of(samples))
    value.backward()
    assert float(value.detach()) == 0.0
    assert not bool(samples.embeddings_ND.grad.any())


def test_triplet_loss_of_equal_embeddings_has_finite_gradient():
    samples = samples_of([1, 1, 2, 2])
    embeddings = samples.embeddings_ND.detach()[[0, 0, 0, 0]].requires_grad_()
    value = TripletLoss(margin=0.3)(samples._replace(embeddings_ND=embeddings), torch.tensor(4))
    value.backward()
    assert float(value.detach()) == pytest.approx(0.3)
    assert bool(torch.isfinite(embeddings.grad).all())


def test_triplet_losses_of_two_parts_weigh_by_their_objects():
    """The loss of a step is the mean over its parts, weighted by their objects."""
    first, second = samples_of([1, 1, 2], seed=1), samples_of([1, 1, 2, 2, 3], seed=2)
    loss = TripletLoss(margin=0.5)
    alone = [float(loss(share, known_of(share)).detach()) for share in (first, second)]
    together = sum(float(loss(share, torch.tensor(8)).detach()) for share in (first, second))
    assert together == pytest.approx((3 * alone[0] + 5 * alone[1]) / 8)


# nested


@pytest.mark.parametrize("kind", KINDS)
def test_matryoshka_loss_is_the_mean_over_prefixes(kind):
    loss = build(kind, "MODEL.REID_NESTED", "(3, 7)")
    assert isinstance(loss, MatryoshkaLoss)
    assert list(loss.prefixes) == ["12", "7", "3"]
    alone = []
    for length, part in loss.prefixes.items():
        cut = MANY._replace(embeddings_ND=MANY.embeddings_ND[:, : int(length)])
        alone.append(float(part(cut, known_of(MANY)).detach()))
    assert len(set(alone)) == 3
    assert float(loss(MANY, known_of(MANY)).detach()) == pytest.approx(sum(alone) / 3)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "circle", "partial_fc"])
def test_matryoshka_prefixes_have_their_own_classifiers(kind):
    loss = build(kind, "MODEL.REID_NESTED", "(3, 7)")
    weights = {name: tuple(value.shape) for name, value in loss.named_parameters() if name.endswith("weight")}
    assert weights == {f"prefixes.{length}.classifier.weight": (9, length) for length in (12, 7, 3)}


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "circle", "partial_fc"])
def test_single_length_keeps_parameter_names(kind):
    names = {name for name, _ in build(kind).named_parameters()}
    assert names - {"classifier.bias"} == {"classifier.weight"}


def test_matryoshka_values_beyond_prefixes_have_no_gradient():
    loss = build("cross_entropy", "MODEL.REID_NESTED", "(3, 7)")
    short = MANY._replace(embeddings_ND=MANY.embeddings_ND[:, :3])
    (gradient,) = torch.autograd.grad(loss.prefixes["3"](short, known_of(MANY)), [MANY.embeddings_ND])
    assert bool(gradient[:, :3].all())
    assert not bool(gradient[:, 3:].any())
