"""Parity of the losses and their gradients with the reference implementation."""

import numpy as np
import pytest
import torch
from helpers.locations import SHARED
from helpers.reference_arrays import FIXTURES, relative_error

from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss
from fairmot.losses.task_weighting import UncertaintyWeighting
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs

FULL = SHARED / "reference" / "parts" / "losses.npz"
SETS = [
    pytest.param(FIXTURES / "losses.npz", id="compact"),
    pytest.param(
        FULL, id="full", marks=[pytest.mark.dataset, pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL.name}")]
    ),
]
pytestmark = pytest.mark.parity


@pytest.fixture(params=SETS)
def reference(request):
    return np.load(request.param)


def run(reference):
    shape = reference["out_hm"].shape
    indices = torch.from_numpy(reference["target_ind"])
    embedding = torch.zeros(shape[0], 64, shape[2] * shape[3])
    positions = indices[:, None].expand(-1, 64, -1)
    embedding.scatter_(2, positions, torch.from_numpy(reference["out_id_at_objects"]).transpose(1, 2))
    maps = [torch.from_numpy(reference[f"out_{name}"]) for name in ("hm", "wh", "reg")]
    maps.append(embedding.view(shape[0], 64, *shape[2:]))
    outputs = HeadOutputs(*(value.clone().requires_grad_() for value in maps))
    batch = Batch(
        images_B3HW=torch.zeros(shape[0], 3, 1, 1),
        heatmap_BCHW=torch.from_numpy(reference["target_hm"]),
        indices_BK=indices,
        mask_BK=torch.from_numpy(reference["target_reg_mask"]).bool(),
        sizes_BK4=torch.from_numpy(reference["target_wh"]),
        offsets_BK2=torch.from_numpy(reference["target_reg"]),
        identities_BK=torch.from_numpy(reference["target_ids"]),
        classes_BK=torch.zeros_like(indices),
        radii_BK=torch.ones_like(indices),
        image_paths=("a", "b"),
    )
    weight, bias = (torch.from_numpy(reference[f"classifier_{name}"]) for name in ("weight", "bias"))
    identity = IdentityLoss(64, len(weight))
    identity.classifier.load_state_dict({"weight": weight, "bias": bias})
    criterion = JointLoss(identity, UncertaintyWeighting())
    losses = criterion(outputs, batch)
    total = criterion.balance(losses.detection, losses.identity)
    total.backward()
    return criterion, outputs, losses.detached(total)


def test_loss_values_equal_the_reference(reference):
    _, _, terms = run(reference)
    names = {"total": "loss", "heatmap": "hm_loss", "size": "wh_loss", "offset": "off_loss", "identity": "id_loss"}
    for own, name in names.items():
        assert float(getattr(terms, own).detach()) == pytest.approx(float(reference[name]), rel=1e-5), own


def test_loss_gradients_equal_the_reference(reference):
    criterion, outputs, _ = run(reference)
    assert relative_error(outputs.heatmap.grad, reference["grad_hm"]) <= 1e-5
    norms = {
        "grad_wh_norm": outputs.size_ltrb,
        "grad_reg_norm": outputs.offset,
        "grad_id_norm": outputs.embedding,
        "grad_classifier_norm": criterion.identity.classifier.weight,
        "grad_s_det": criterion.balance.s_det,
        "grad_s_id": criterion.balance.s_id,
    }
    for name, tensor in norms.items():
        assert float(tensor.grad.norm()) == pytest.approx(float(np.abs(reference[name]).sum()), rel=1e-5), name
