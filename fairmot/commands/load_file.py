"""Weights into a network, with the lines that the log prints about them."""

from torch import nn

from fairmot.formats.fetch import LocalFile
from fairmot.models.weights import load_weights


def load_file(model: nn.Module, file: LocalFile) -> str:
    """Load `file` into `model`; return which file it was (path, size, SHA-256) and the load report."""
    report = load_weights(model, file.path)
    return f"{file}\n{report}"
