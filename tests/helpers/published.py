"""The made-up weights and inputs behind the reference arrays, by the recipe of the reference's README."""

import json

import numpy as np
import pytest
import torch

from fairmot.models.deterministic_weights import deterministic_state
from helpers.locations import FIXTURES, SHARED

REFERENCE = SHARED / "reference" / "models"  # the wider set
ARCHITECTURES = (
    "dla_34", "dlaconv_34", "dlav0_34", "hrnet_18", "hrnet_32", "resdcn_18", "resdcn_34", "resdcn_50", "resfpndcn_34",
    "yolo",
)  # fmt: skip
# the same, the largest with the slow tests
BY_TIME = [pytest.param(name, marks=pytest.mark.slow) if name == "hrnet_32" else name for name in ARCHITECTURES]
HEADS = {"hm": "heatmap", "wh": "size_ltrb", "reg": "offset", "id": "embedding"}


def published_keys(architecture="dla_34"):
    return json.loads((FIXTURES / f"{architecture}.keys.json").read_text())


def published_state(keys):
    """A state dict in the published names: each value depends on its name alone."""
    return deterministic_state(keys)


def published_images():
    return torch.from_numpy(np.random.RandomState(7).random_sample((2, 3, 128, 224)).astype(np.float32))


def relative_error(value, reference):
    value, reference = np.asarray(value, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))
