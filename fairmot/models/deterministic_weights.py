"""Deterministic weights: random values that depend only on the parameter's name in the reference implementation.

Networks can be compared with such weights without exchanging files. Activations and the offsets of deformable layers
have the spread of a trained network's.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fairmot.geometry.arrays import FloatArray
from fairmot.models.joint_detector import JointDetector
from fairmot.models.weight_names import to_reference_name


def deterministic_state(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Return a state dict for reference names and their shapes: float32, int64 for `num_batches_tracked`."""
    return {name: torch.from_numpy(np.asarray(_draw(name, tuple(shape)))) for name, shape in shapes.items()}


def load_deterministic_weights(model: JointDetector) -> None:
    """Load the values of `deterministic_state` for the reference names of `model`'s parameters."""
    own = model.state_dict()
    own_names = {to_reference_name(name, model.prefixes): name for name in own}
    state = deterministic_state({reference: own[name].shape for reference, name in own_names.items()})
    model.load_state_dict({own_names[reference]: value for reference, value in state.items()})


def _draw(name: str, shape: tuple[int, ...]) -> FloatArray | np.int64:
    if name.endswith("num_batches_tracked"):
        return np.int64(0)
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    is_vector = len(shape) < 2
    if name.endswith("running_var"):
        value = rng.random_sample(shape) + 0.5
    elif is_vector and name.endswith("weight"):
        value = rng.random_sample(shape) * 0.4 + 0.8
    elif is_vector:
        value = rng.standard_normal(shape) * 0.1
    else:
        value = rng.standard_normal(shape) * math.sqrt(2 / np.prod(shape[1:]))
    if "conv_offset_mask" in name:
        value = value * (0.1 if name.endswith("weight") else 5.0)
    return np.asarray(value, dtype=np.float32)
