"""Local files given by path or URL: downloaded once if necessary, and verified by SHA-256."""

import hashlib
import re
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import unquote, urlparse

import torch.hub

from fairmot.utils.errors import InputError

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")  # as in torchvision's resnet18-f37072fd.pth


class LocalFile(NamedTuple):
    """A local file with its size in bytes and its SHA-256."""

    path: Path
    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.path} ({self.size:,} bytes, sha256 {self.sha256})"


def locate(source: str | Path, *, sha256: str = "", progress: bool = False) -> LocalFile:
    """Return the file of a path or http(s) URL; a URL is downloaded once, to torch.hub's folder of checkpoints.

    sha256: the digest or its first 8 or more digits; "" skips the check. A URL requires it, unless its file name ends
    with it (`resnet18-f37072fd.pth`), because two URLs may end with the same file name.
    Raises InputError: no such file, a failed download, or another digest.
    """
    name = str(source)
    path = Path(source)
    is_url = urlparse(name).scheme in ("http", "https")
    if is_url:
        found = _HASH_IN_NAME.search(urlparse(name).path)
        sha256 = sha256 or (found[1] if found else "")
        path = _download(name, sha256.lower(), progress=progress)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a checkpoint") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not digest.startswith(sha256.lower()):
        advice = "; remove the file to download it again" if is_url else ""
        raise InputError(f"{path}: wrong content: sha256 {digest}, expected {sha256.lower()}{advice}")
    return LocalFile(path, path.stat().st_size, digest)


def _download(url: str, sha256: str, *, progress: bool) -> Path:
    """Download to a temporary file, verify and rename it; an existing file is not downloaded again."""
    name = Path(unquote(urlparse(url).path)).name
    if not name or name == "..":
        raise InputError(f"{url}: no file name in the URL")
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not sha256:
        raise InputError(f"{url}: a URL needs the file's sha256 too (MODEL.WEIGHTS_SHA256)")
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=progress)
    except RuntimeError as error:
        got = re.search(r'got "(\w+)"', str(error))
        raise InputError(f"{url}: wrong content: sha256 {got[1] if got else 'unknown'}, expected {sha256}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if type(error) is URLError else error
        raise InputError(f"{url}: cannot be downloaded: {reason}") from None
    return path
