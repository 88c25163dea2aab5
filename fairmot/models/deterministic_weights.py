"""Weights that anyone can make again: each value depends on its published name alone.

Published networks compared over such weights need no file. A network with them is no tracker, but its activations, and
where its deformable layers look, have the spread of a trained one's.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fairmot.geometry.arrays import FloatArray
from fairmot.models.joint_detector import JointDetector
from fairmot.models.weight_names import to_published


def deterministic_state(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Return a state dict for published names and their shapes: float32, int64 for `num_batches_tracked`."""
    return {name: torch.from_numpy(np.asarray(_value(name, tuple(shape)))) for name, shape in shapes.items()}


def load_deterministic_weights(model: JointDetector) -> None:
    """Give `model` the weights that its published names stand for; a name that is not published draws by its own."""
    own = model.state_dict()
    published = {to_published(name, model.prefixes): name for name in own}
    state = deterministic_state({theirs: own[ours].shape for theirs, ours in published.items()})
    model.load_state_dict({published[theirs]: value for theirs, value in state.items()})


def _value(name: str, shape: tuple[int, ...]) -> FloatArray | np.int64:
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
    return np.asarray(value, dtype=np.float32)
