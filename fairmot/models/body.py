"""Everything of a network below its heads."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import nn

from fairmot.models.names import Prefixes


class Body(NamedTuple):
    """What a backbone's factory returns."""

    backbone: nn.Module  # (B, 3, H, W) images -> maps
    neck: nn.Module  # those maps -> one (B, channels, H/4, W/4) map
    channels: int
    prefixes: Prefixes  # published names -> ours, backbone and neck
    max_head_channels: int | None = None  # where the published heads are narrower than the others' 256
    head_activation: Callable[[], nn.Module] = partial(nn.ReLU, inplace=True)  # between a head's two convolutions
