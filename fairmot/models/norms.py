"""Batch normalisation in training: per batch, frozen or synchronised."""

import torch
from torch import nn
from torch.nn import functional


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with fixed statistics, scale and shift, also in training mode."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same shape."""
        return functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def set_norms(model: nn.Module, kind: str) -> None:
    """Replace the batch norms inside `model`; parameter names and values stay.

    kind: `batch` leaves them unchanged; `frozen`: `FrozenBatchNorm2d`, for small batches; `sync`: statistics over the
    batches of all processes, on GPUs (Peng et al., MegDet, 2018, section 3.3).
    """
    if kind == "sync":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    if kind == "frozen":
        for name, layer in list(model.named_modules()):
            if isinstance(layer, nn.BatchNorm2d):
                frozen = FrozenBatchNorm2d(layer.num_features, eps=layer.eps, momentum=layer.momentum)
                frozen.to(layer.weight.device).load_state_dict(layer.state_dict())
                model.set_submodule(name, frozen.requires_grad_(False))
