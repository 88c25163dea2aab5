"""Deterministic weights and inputs of the arrays that the reference implementation computed."""

import json

import numpy as np
import pytest
import torch

from fairmot.models.deterministic_weights import deterministic_state
from helpers.locations import FIXTURES, SHARED

REFERENCE = SHARED / "reference" / "models"  # the full set; `FIXTURES` holds a subset
ARCHITECTURES = (
    "dla_34", "dlaconv_34", "dlav0_34", "hrnet_18", "hrnet_32", "resdcn_18", "resdcn_34", "resdcn_50", "resfpndcn_34",
    "yolo",
)  # fmt: skip
BY_TIME = [pytest.param(name, marks=pytest.mark.slow) if name == "hrnet_32" else name for name in ARCHITECTURES]
HEADS = {"hm": "heatmap", "wh": "size_ltrb", "reg": "offset", "id": "embedding"}


def reference_keys(architecture="dla_34"):
    return json.loads((FIXTURES / f"{architecture}.keys.json").read_text())


def reference_state(keys):
    """A state dict under reference names; each value depends only on its name."""
    return deterministic_state(keys)


def reference_images():
    return torch.from_numpy(np.random.RandomState(7).random_sample((2, 3, 128, 224)).astype(np.float32))


def relative_error(value, reference):
    value, reference = np.asarray(value, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))
