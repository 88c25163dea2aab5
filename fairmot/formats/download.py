"""Files given by a path or a URL: found, fetched when they are not here yet, and checked by their SHA-256."""

import hashlib
import re
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import unquote, urlparse

import torch.hub

from fairmot.utils.errors import InputError

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")  # torchvision's and others' habit: resnet18-f37072fd.pth


class LocalFile(NamedTuple):
    """A file that is here, with its size in bytes and its whole SHA-256."""

    path: Path
    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.path} ({self.size:,} bytes, sha256 {self.sha256})"


def locate(source: str | Path, *, sha256: str = "", progress: bool = False) -> LocalFile:
    """Return the file that `source` names; an http(s) URL is fetched once, into torch.hub's folder of checkpoints.

    sha256: the digest, or its first 8 digits or more; "" checks nothing. A URL needs it, unless its file name ends in
    it (`resnet18-f37072fd.pth`): two addresses may end in the same name.
    Raises InputError: no such file, a URL that cannot be fetched, or another digest.
    """
    name = str(source)
    if urlparse(name).scheme in ("http", "https"):
        found = _HASH_IN_NAME.search(urlparse(name).path)
        sha256 = sha256 or (found[1] if found else "")
        path = _fetch(name, sha256.lower(), progress=progress)
    else:
        path = Path(source)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a checkpoint") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not digest.startswith(sha256.lower()):
        advice = "; remove it to fetch it again" if name != str(path) else ""
        raise InputError(f"{path}: another file than asked for: sha256 {digest}, wanted {sha256.lower()}{advice}")
    return LocalFile(path, path.stat().st_size, digest)


def _fetch(url: str, sha256: str, *, progress: bool) -> Path:
    """Download beside, check, rename; a file that is here already is not fetched again."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = Path(unquote(urlparse(url).path)).name
    if not name or name == "..":
        raise InputError(f"{url}: names no file")
    path = folder / name
    if not sha256:
        raise InputError(f"{url}: a URL needs the file's sha256 too (MODEL.WEIGHTS_SHA256)")
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=progress)
    except RuntimeError as error:
        got = re.search(r'got "(\w+)"', str(error))
        raise InputError(
            f"{url}: another file than asked for: sha256 {got[1] if got else 'unknown'}, wanted {sha256}"
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if type(error) is URLError else error
        raise InputError(f"{url}: cannot be fetched: {reason}") from None
    return path
