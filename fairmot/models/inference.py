"""Optimisation of a trained network for inference: batch norm folding, channels last, tiled execution."""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from fairmot.models.backbones.dla import DLA
from fairmot.models.heads import Head
from fairmot.models.joint_detector import JointDetector
from fairmot.models.layers.deform_conv.layer import DeformConv2d

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, DeformConv2d)
BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def prepare_for_inference(model: nn.Module) -> JointDetector:
    """Return a copy of a `JointDetector`, in eval mode and without gradients, that is faster and gives the same output.

    Batch norms are folded, weights are channels last (best with channels-last images), and on a CPU wide maps are
    processed in tiles. The copy stays on the model's device.
    """
    if not isinstance(model, JointDetector):
        raise TypeError(f"prepare_for_inference: expected a JointDetector, got {type(model).__name__}")
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    _fold_batch_norms(nn.Sequential(prepared.backbone, prepared.neck))
    prepared = prepared.to(memory_format=torch.channels_last)
    on_cpu = next(prepared.parameters()).device.type == "cpu"
    for module in prepared.modules():
        if isinstance(module, Head | DLA):
            module.is_tiled = on_cpu
    return prepared


def _fold_batch_norms(body: nn.Module) -> None:
    """Fold batch norms y = g (x - m) / sqrt(v + eps) + b into the kernel and bias of the convolution directly before.

    Those that do not directly follow a convolution stay.
    """
    for convolution_name, norm_name in list(_conv_norm_pairs(body)):
        convolution, norm = cast(Any, body.get_submodule(convolution_name)), cast(Any, body.get_submodule(norm_name))
        statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, *statistics, transpose=isinstance(convolution, nn.ConvTranspose2d)
        )
        body.set_submodule(norm_name, nn.Identity())


class _Tracer(fx.Tracer):
    """Treats convolutions and norms as leaf modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (DeformConv2d, *BATCH_NORMS)) or super().is_leaf_module(m, module_qualified_name)


def _conv_norm_pairs(body: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of each convolution and of the batch norm that is the only user of its output."""
    modules = dict(body.named_modules())
    nodes = list(_Tracer().trace(body).nodes)
    calls = Counter(str(node.target) for node in nodes if node.op == "call_module")
    for node in nodes:
        if node.op != "call_module" or not isinstance(modules[str(node.target)], BATCH_NORMS):
            continue
        before = node.args[0]
        is_convolution = isinstance(before, fx.Node) and isinstance(modules.get(str(before.target)), CONVOLUTIONS)
        if is_convolution and isinstance(before, fx.Node) and len(before.users) == calls[str(before.target)] == 1:
            yield str(before.target), str(node.target)
