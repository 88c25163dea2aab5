"""Checkpoints: one `.pt` that loads with `weights_only=True`, written beside and renamed."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fairmot.formats.atomic import replacing
from fairmot.formats.numpy_pickle import SAFE_GLOBALS
from fairmot.utils.errors import InputError

_WANTED_CLASS = re.compile(r"GLOBAL (\S+)")
_DAMAGED = "a PyTorch file, but damaged, cut short or more than weights"
_LOOKS = (  # how a file begins -> what it is; the first that fits
    (re.compile(rb"\s*(<!doctype|<html|<head|<\?xml)", re.IGNORECASE), "a web page, not weights: fetch the file again"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not weights: git lfs pull fetches the file"),
    (re.compile(rb"PK\x03\x04"), _DAMAGED),
    (re.compile(rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"), _DAMAGED),
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, but not one of PyTorch's, or cut short"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!"), "a compressed archive: unpack it first"),
    (re.compile(rb"[\t\n\r\x20-\x7e]{0,64}\Z"), "text"),
)


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write nested dicts, lists, numbers, strings and tensors to `path` atomically."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, old formats and NumPy values beside the weights included, onto the CPU; run no code from it.

    Raises InputError: no such file, not a PyTorch file (said what it looks like), damaged, or one that needs a class
    of the program that made it.
    """
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(SAFE_GLOBALS):
            warnings.simplefilter("ignore")  # old pickle protocols, old storages: what matters is raised
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a checkpoint") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read") from None
    except Exception as error:  # a damaged or hostile file can raise anything at all
        raise InputError(f"{path}: {_explain(path, error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a dict of weights")
    return content


def _explain(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    wanted = _WANTED_CLASS.search(reason)
    if wanted:
        return (
            f"not a checkpoint that loads safely: it wants {wanted[1]}, and loading that could run code; in the "
            "program that made the file, save its state_dict: torch.save(model.state_dict(), 'weights.pth')"
        )
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "not a checkpoint: an empty file"
    look = next((text for pattern, text in _LOOKS if pattern.match(start)), "no format known here")
    reason = reason.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0]
    detail = f" ({reason[:160]})" if look == _DAMAGED else ""
    return f"not a checkpoint that loads safely: {look}{detail}"
