"""The made-up weights and inputs behind the reference arrays, by the recipe of the reference's README."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).parent / "fixtures"
HEADS = {"hm": "heatmap", "wh": "size_ltrb", "reg": "offset", "id": "embedding"}


def published_keys(architecture="dla_34"):
    return json.loads((FIXTURES / f"{architecture}.keys.json").read_text())


def published_state(keys):
    """A state dict in the published names: each value depends on its name alone."""
    return {name: torch.from_numpy(np.asarray(_value(name, tuple(shape)))) for name, shape in keys.items()}


def _value(name, shape):
    if name.endswith("num_batches_tracked"):
        return np.int64(0)
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    is_vector = len(shape) < 2
    if name.endswith("running_var"):
        value = draw.random_sample(shape) + 0.5
    elif is_vector and name.endswith("weight"):
        value = draw.random_sample(shape) * 0.4 + 0.8
    elif is_vector:
        value = draw.standard_normal(shape) * 0.1
    else:
        value = draw.standard_normal(shape) * math.sqrt(2 / np.prod(shape[1:]))
    if "conv_offset_mask" in name:
        value = value * (0.1 if name.endswith("weight") else 5.0)
    return value.astype(np.float32)


def published_images():
    return torch.from_numpy(np.random.RandomState(7).random_sample((2, 3, 128, 224)).astype(np.float32))


def relative_error(value, reference):
    value, reference = np.asarray(value, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))
