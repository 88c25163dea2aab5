"""Files of data sets: annotation files, folders of images, image lists and class names."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from fairmot.data.readers.base import Source
from fairmot.formats.motchallenge import IMAGE_EXTENSIONS
from fairmot.formats.text_io import read_text
from fairmot.utils.errors import InputError

IMAGE_SUFFIXES = (*IMAGE_EXTENSIONS, ".webp", ".tif", ".tiff")


def find_label_file(
    source: Source, *, suffix: str, subfolders: Sequence[str] = (), fits: Callable[[Path], bool] = Path.is_file
) -> Path:
    """Return the annotation file of a source: the one named, its root, or the only one in the folder.

    subfolders: searched in order when the folder itself has none.
    fits: condition on files with the suffix.
    Raises InputError: no such file, none, or several.
    """
    file = named_label_file(source)
    for folder in (source.root, *(source.root / name for name in subfolders)):
        file = file or only_file(files_with(folder, suffix, fits), folder)
    if file is None:
        raise InputError(f"{source.root}: no {suffix} file with labels here")
    return file


def named_label_file(source: Source) -> Path | None:
    """Return the file that LABELS names, else the root if it is a file; InputError for a missing file or folder."""
    if source.labels:
        path = source.folder / source.labels
        if not path.is_file():
            raise InputError(f"{path}: no such file (LABELS of {source.name or source.root})")
        return path
    if not source.root.exists():
        raise InputError(f"{source.root}: no such file or folder")
    return source.root if source.root.is_file() else None


def only_file(found: Sequence[Path], folder: Path) -> Path | None:
    """Return the file found, None without one; InputError where there are several."""
    if len(found) > 1:
        shown = ", ".join(path.name for path in found[:8]) + (", ..." if len(found) > 8 else "")
        raise InputError(f"{folder}: several annotation files ({shown}); name one with LABELS")
    return found[0] if found else None


def files_with(folder: Path, suffix: str, fits: Callable[[Path], bool] = Path.is_file) -> list[Path]:
    """Return a folder's files with a suffix that `fits`, by name, without hidden ones; none for a missing folder."""
    if not folder.is_dir():
        return []
    named = (entry for entry in folder.iterdir() if entry.name.lower().endswith(suffix) and entry.name[0] != ".")
    return sorted(path for path in named if path.is_file() and fits(path))


def subfolders_of(folder: Path, *, most: int = 200) -> list[Path]:
    """Return at most `most` subfolders, by name, without hidden ones; none for a missing folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(islice((e.name for e in entries if not e.name.startswith(".") and e.is_dir()), most))
    return [folder / name for name in names]


def walk_images(root: Path, top: Path) -> tuple[list[str], list[Path]]:
    """Return the images of `top` and its subfolders, by name and without hidden ones, and the folders.

    Names are relative to `root` where `top` is inside it, else absolute.
    """
    images: list[str] = []
    folders: list[Path] = []
    for folder, _, files in walk_folders(top):
        prefix = relative_to(folder, root)
        folders.append(Path(folder))
        images += (f"{prefix}{name}" for name in sorted(files) if is_image(name))
    return images, folders


def walk_folders(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does, by name, without hidden folders; links are followed except to a folder above them.

    As there, removing names from the list of subfolders skips these.
    """
    for folder, names, files in os.walk(top, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith(".") and not _is_cycle(folder, name))
        yield folder, names, files


def is_image(name: str) -> bool:
    """Whether a file is an image by its name, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _is_cycle(folder: str, name: str) -> bool:
    link = os.path.join(folder, name)  # noqa: PTH118 - Path is slow
    return os.path.islink(link) and f"{os.path.realpath(folder)}/".startswith(f"{os.path.realpath(link)}/")  # noqa: PTH114


def relative_to(folder: str | Path, root: Path) -> str:
    """Return the prefix that names files of `folder` from `root`: "", "sub/", or an absolute folder outside."""
    path = Path(folder)
    if path.is_relative_to(root):
        inside = path.relative_to(root).as_posix()
        return "" if inside == "." else f"{inside}/"
    return f"{path.absolute().as_posix()}/"


def read_list(path: Path) -> list[tuple[int, str]]:
    """Return the non-blank lines of a text file, stripped, with their numbers; InputError if it cannot be read."""
    text = read_text(path)
    if "\0" in text:
        raise InputError(f"{path}: not a text file")
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in stripped if line]


def read_image_list(path: Path) -> list[str]:
    """Return the images of a list, one per line, with "/" between folders and without "./" before them.

    Raises InputError: a line without an image suffix, which is named; an empty list.
    """
    lines = read_list(path)
    wrong = next(((number, line) for number, line in lines if not line.lower().endswith(IMAGE_SUFFIXES)), None)
    if wrong is not None:
        raise InputError(f"{path}:{wrong[0]}: {wrong[1][:80]!r} is no image file ({' '.join(IMAGE_SUFFIXES)})")
    if not lines:
        raise InputError(f"{path}: no images in this list")
    names = (line if "/" in line else line.replace("\\", "/") for _, line in lines)
    return [name.removeprefix("./") for name in names]


def starts_with_image(path: Path) -> bool:
    """Whether the first line of a text file names an image."""
    return first_line(path).lower().endswith(IMAGE_SUFFIXES)


def first_line(path: Path) -> str:
    """Return the first line, stripped, of at most 4 KiB; "" where it cannot be read or is not text."""
    try:
        with path.open("rb") as file:
            return file.readline(4096).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def existing(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that exist, each once, and for a missing folder the nearest existing one above it."""
    nearest = (next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/")) for folder in folders)
    return tuple(dict.fromkeys(nearest))


def read_class_names(*folders: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Return the names in the first `classes.txt` of `folders`, one per line, and that file; () and () without one."""
    for folder in folders:
        path = folder / "classes.txt"
        if path.is_file():
            return tuple(name for _, name in read_list(path)), (path,)
    return (), ()
