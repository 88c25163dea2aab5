"""Checkpoints: one `.pt` that loads with `weights_only=True`, written beside and renamed."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fairmot.formats.atomic import replacing
from fairmot.utils.errors import InputError


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write nested dicts, lists, numbers, strings and tensors to `path` atomically."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running code from it.

    Raises InputError: no such file, not a PyTorch file, or one that needs to run code to load.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a checkpoint") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: not a checkpoint that loads safely: {reason}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a dict of weights")
    return content
