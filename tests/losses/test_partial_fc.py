"""Softmax over sampled identities: at rate 1 the full one, at any rate the same by one process and by several."""

import functools
import math

import numpy as np
import pytest
import torch
from helpers.partial_fc_steps import STEPS, VARIANTS, run_by
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.losses import partial_fc, sampled_softmax
from fairmot.losses.build import build_criterion
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.partial_fc import PartialFCLoss
from fairmot.optim.build import build_optimizer
from fairmot.structures.outputs import EmbeddingSamples
from fairmot.utils.distributed import Distributed, is_sharded

DIMS = 6
CASES = {
    "one class": (50, [1, 4, 4, 49], [0, 0, 0, 0]),
    "several classes": ((3, 0, 6), [2, 1, 0, 5, 0], [0, 2, 0, 2, 2]),
    "one identity": (1, [0, 0], [0, 0]),
    "nobody": (7, [], []),
}


def samples_of(identities, classes, *, seed=0):
    rng = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(identities), DIMS, generator=rng, dtype=torch.float64).requires_grad_()
    weights = torch.rand(len(identities), generator=rng, dtype=torch.float64)
    return EmbeddingSamples(embeddings, *(torch.tensor(v, dtype=torch.int64) for v in (identities, classes)), weights)


def full_and_sampled(counts, **options):
    """A full softmax and a sampled one with the same classifier."""
    torch.manual_seed(0)
    full = IdentityLoss(DIMS, counts).double()
    sampled = PartialFCLoss(DIMS, counts, **{"rate": 1.0, **options}).double()
    sampled.load_state_dict({**full.state_dict(), "draws": torch.tensor(0)})
    return full, sampled


def classifier_of(criterion):
    return {name.rpartition(".")[2]: value for name, value in criterion.named_parameters()}


@pytest.mark.parametrize("chunk", [2, sampled_softmax.CHUNK])
@pytest.mark.parametrize("case", CASES)
def test_partial_fc_at_rate_1_equals_full_softmax(case, chunk, monkeypatch):
    monkeypatch.setattr(sampled_softmax, "CHUNK", chunk)
    counts, identities, classes = CASES[case]
    samples, results = samples_of(identities, classes), []
    for criterion in full_and_sampled(counts):
        samples.embeddings_ND.grad = None
        value = criterion(samples, torch.tensor(3))
        value.backward()
        rows = {name: table.grad.to_dense() for name, table in sorted(classifier_of(criterion).items())}
        results.append({"value": value.detach(), "embeddings": samples.embeddings_ND.grad, **rows})
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("case", ["one class", "several classes"])
def test_partial_fc_at_rate_1_makes_the_steps_of_full_softmax(case, optimizer):
    """Steps without an object of one class, or of any, included: moments move the rows all the same."""
    counts, identities, classes = CASES[case]
    keys = ["SOLVER.OPTIMIZER", optimizer, "SOLVER.BASE_LR", "0.01", "SOLVER.WEIGHT_DECAY", "0.1"]
    results = []
    for criterion in full_and_sampled(counts):
        torch.manual_seed(1)
        model = nn.Linear(DIMS, DIMS).double()
        learner = build_optimizer(load_cfg(None, keys), model=model, criterion=criterion)
        for step in range(6):
            samples = EmbeddingSamples(*(field[: 2 * step] for field in samples_of(identities, classes, seed=step)))
            samples = samples._replace(embeddings_ND=model(samples.embeddings_ND.detach()))
            learner.zero_grad()
            criterion(samples, torch.tensor(4)).backward()
            learner.step()
        results.append({**model.state_dict(), **{f"of {k}": v.detach() for k, v in classifier_of(criterion).items()}})
    assert not torch.equal(results[0]["of weight"], full_and_sampled(counts)[0].classifier.weight)
    torch.testing.assert_close(results[1], {name: results[0][name] for name in results[1]}, rtol=1e-9, atol=1e-12)


def test_partial_fc_below_rate_1_uses_sampled_rows_only():
    identities = [3, 40, 3]
    full, sampled = full_and_sampled(50, rate=0.3)
    positives = np.array([3, 40])
    chosen = torch.as_tensor(PartialFCLoss(DIMS, 50, rate=0.3).draw(positives))
    assert 2 < len(chosen) < 50
    samples = samples_of(identities, [0, 0, 0])
    value = sampled(samples, torch.tensor(1))
    value.backward()
    unit = nn.functional.normalize(samples.embeddings_ND.detach(), dim=1)
    logits = full.classifier(full.scales[0] * unit)[:, chosen]
    targets = torch.searchsorted(chosen, samples.identities_N)
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    assert float(value.detach()) == pytest.approx(float((losses * samples.weights_N).sum().detach()))
    touched = sampled.classifier["weight"].grad.to_dense().abs().sum(1) > 0
    assert torch.equal(torch.nonzero(touched)[:, 0], chosen)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9, 1.0])
def test_partial_fc_sample_has_all_positives_and_expected_size(rate):
    criterion = PartialFCLoss(DIMS, (400, 0, 600), rate=rate, seed=5)
    positives = np.array([0, 7, 399, 400, 999])
    sizes, hits = [], np.zeros(1000)
    for _ in range(200):
        chosen = criterion.draw(positives)
        assert (np.diff(chosen) > 0).all()
        assert np.isin(positives, chosen).all()
        sizes.append([np.sum(chosen < 400), np.sum(chosen >= 400)])
        hits[chosen] += 1
    spread = 4 * math.sqrt(600 * rate * (1 - rate) / 200) + 1e-9
    np.testing.assert_allclose(np.mean(sizes, axis=0), [400 * rate, 600 * rate], atol=spread)
    others = np.delete(hits, positives)
    assert others.min() > 0 or rate < 0.1  # no identity is left out for ever
    assert rate == 1.0 or others.max() < 200


def test_partial_fc_sample_of_many_positives_has_no_negatives():
    criterion = PartialFCLoss(DIMS, 20, rate=0.1)
    assert criterion.draw(np.arange(5)).tolist() == [0, 1, 2, 3, 4]


def test_partial_fc_draws_per_pass_and_resume_continues_them():
    first, second = (PartialFCLoss(DIMS, 100, rate=0.3, seed=1) for _ in range(2))
    nobody = np.zeros(0, np.int64)
    drawn = [first.draw(nobody).tolist() for _ in range(3)]
    assert len({tuple(rows) for rows in drawn}) == 3
    assert int(first.state_dict()["draws"]) == 3
    assert [second.draw(nobody).tolist() for _ in range(2)] == drawn[:2]
    resumed = PartialFCLoss(DIMS, 100, rate=0.3, seed=1)
    resumed.load_state_dict(second.state_dict())
    assert resumed.draw(nobody).tolist() == drawn[2]
    assert PartialFCLoss(DIMS, 100, rate=0.3, seed=2).draw(nobody).tolist() != drawn[0]


@pytest.mark.parametrize("size", [2, 3, 7, 60])
def test_partial_fc_weights_and_samples_do_not_depend_on_ranks(size, monkeypatch):
    monkeypatch.setattr(partial_fc, "FILL", 7)
    counts, positives = (30, 0, 21), np.array([2, 29, 30])
    whole = PartialFCLoss(DIMS, counts, rate=0.4, seed=9)
    parts = [
        PartialFCLoss(DIMS, counts, rate=0.4, seed=9, world=Distributed(rank=rank, world_size=size))
        for rank in range(size)
    ]
    for name, table in whole.classifier.items():
        assert torch.equal(torch.cat([part.classifier[name] for part in parts]), table)
    for _ in range(3):
        drawn = [part.draw(positives) + part.rows.start for part in parts]
        assert np.array_equal(np.concatenate(drawn), whole.draw(positives))
    assert {len(part.rows) for part in parts} <= {51 // size, 51 // size + 1}


def test_partial_fc_initial_weights_are_those_of_linear():
    weight, bias = (value.detach() for value in classifier_of(PartialFCLoss(64, 20_000, seed=4)).values())
    weight, bias = (weight, bias) if weight.ndim == 2 else (bias, weight)
    for values in (weight, bias):
        assert float(values.abs().max()) <= 1 / 8
        assert float(values.mean()) == pytest.approx(0, abs=0.003)
        assert float(values.std()) == pytest.approx(1 / 8 / math.sqrt(3), rel=0.02)
    assert not torch.equal(weight[: len(bias) // 64].flatten()[:100], bias[:100])


def test_partial_fc_graph_allows_two_backward_passes():
    """As a balance does that reads gradients before the backward pass."""
    samples = samples_of([1, 4, 4], [0, 0, 0])
    value = PartialFCLoss(DIMS, 50, rate=0.5).double()(samples, torch.tensor(3))
    (first,) = torch.autograd.grad(2 * value, samples.embeddings_ND, retain_graph=True)
    value.backward()
    torch.testing.assert_close(first, 2 * samples.embeddings_ND.grad)


def test_partial_fc_parameters_are_sharded_with_own_groups():
    keys = ["LOSS.IDENTITY", "partial_fc", "MODEL.REID_DIM", str(DIMS), "SOLVER.WEIGHT_DECAY", "0.1"]
    cfg = load_cfg(None, keys)
    criterion = build_criterion(cfg, num_identities=9, seed=2)
    assert {name for name, value in criterion.named_parameters() if is_sharded(value)} == {
        "identity.classifier.weight",
        "identity.classifier.bias",
    }
    groups = build_optimizer(cfg, model=nn.Linear(2, 2), criterion=criterion).param_groups
    decays = {group["name"]: (group["weight_decay"], len(group["params"])) for group in groups}
    assert decays == {
        "network": (0.1, 1),
        "network_no_decay": (0.0, 1),
        "criterion_no_decay": (0.0, 2),
        "criterion_rows": (0.1, 1),
        "criterion_no_decay_rows": (0.0, 1),
    }


@pytest.mark.gpu
@pytest.mark.parametrize("rate", [0.4, 1.0])
def test_partial_fc_makes_the_same_steps_on_gpu(rate):
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        model = nn.Linear(DIMS, DIMS).double().to(device)
        criterion = PartialFCLoss(DIMS, (30, 0, 6), rate=rate, seed=3).double().to(device)
        learner = build_optimizer(load_cfg(None, ["SOLVER.BASE_LR", "0.01"]), model=model, criterion=criterion)
        for step in range(3):
            samples = samples_of([2, 1, 0, 5, 0], [0, 2, 0, 2, 2], seed=step)
            samples = EmbeddingSamples(*(field.detach().to(device) for field in samples))
            learner.zero_grad()
            loss = criterion(samples._replace(embeddings_ND=model(samples.embeddings_ND)), torch.tensor(5).to(device))
            loss.backward()
            learner.step()
        state = {**model.state_dict(), **criterion.state_dict(prefix="criterion."), "loss": loss.detach()}
        results.append({name: value.cpu() for name, value in state.items()})
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    @functools.cache
    def run(size):
        folder = tmp_path_factory.mktemp(f"by_{size}")
        run_by(size, folder)
        return folder

    return run


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VARIANTS)
def test_partial_fc_of_several_ranks_makes_the_steps_of_one(folder_of, name, size):
    """At rate 1 and below it; in one step a process has no object, in one no process has."""
    one, several = (torch.load(folder_of(count) / f"{name}.pt") for count in (1, size))
    assert one["weight"].shape == (45, 6)
    assert float(one["losses"][2]) == 0.0
    assert int(one["draws"]) == len(STEPS) * VARIANTS[name]["parts"]
    torch.testing.assert_close(several, one, rtol=1e-9, atol=1e-12)


def test_partial_fc_accumulation_equals_one_pass(folder_of):
    whole, parts = (torch.load(folder_of(1) / f"{name}.pt") for name in ("rate 1", "rate 1 in two parts"))
    for result in (whole, parts):
        del result["draws"]
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)
