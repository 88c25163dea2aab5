"""Where the files of a data set lie: annotation files by their suffix, image folders, images listed or walked."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from fairmot.data.readers.base import Source
from fairmot.formats.motchallenge import IMAGE_EXTENSIONS
from fairmot.utils.errors import InputError

IMAGE_SUFFIXES = (*IMAGE_EXTENSIONS, ".webp", ".tif", ".tiff")


def folder_of(source: Source) -> Path:
    """Return the folder that a source's relative names start from."""
    return source.root.parent if source.root.is_file() else source.root


def find_label_file(
    source: Source, *, suffix: str, subfolders: Sequence[str] = (), fits: Callable[[Path], bool] = Path.is_file
) -> Path:
    """Return the annotation file of a source: the one named, its root, or the only one in the folder.

    subfolders: where to look when the folder itself has none.
    fits: which files with the suffix are meant.
    Raises InputError: no such file, none, or several.
    """
    if source.labels:
        path = folder_of(source) / source.labels
        if not path.is_file():
            raise InputError(f"{path}: no such file (LABELS of {source.name or source.root})")
        return path
    if source.root.is_file():
        return source.root
    if not source.root.is_dir():
        raise InputError(f"{source.root}: no such file or folder")
    for folder in (source.root, *(source.root / name for name in subfolders)):
        found = files_with(folder, suffix, fits)
        if len(found) > 1:
            shown = ", ".join(path.name for path in found[:8]) + (", ..." if len(found) > 8 else "")
            raise InputError(f"{folder}: several annotation files ({shown}); name one with LABELS")
        if found:
            return found[0]
    raise InputError(f"{source.root}: no {suffix} file with labels here")


def files_with(folder: Path, suffix: str, fits: Callable[[Path], bool] = Path.is_file) -> list[Path]:
    """Return a folder's files with a suffix that `fits`, by name; hidden files are left, and none where none is."""
    if not folder.is_dir():
        return []
    named = (entry for entry in folder.iterdir() if entry.name.lower().endswith(suffix) and entry.name[0] != ".")
    return sorted(path for path in named if path.is_file() and fits(path))


def subfolders_of(folder: Path, *, most: int = 200) -> list[Path]:
    """Return the first `most` subfolders, by name; hidden ones are left."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(islice((e.name for e in entries if not e.name.startswith(".") and e.is_dir()), most))
    return [folder / name for name in names]


def walk_images(root: Path, top: Path) -> tuple[list[str], list[Path]]:
    """Return the images of `top` and its subfolders, by name, and the folders. Hidden images are left.

    Names are relative to `root` where `top` lies in it, else absolute.
    """
    images: list[str] = []
    folders: list[Path] = []
    for folder, _, files in walk_folders(top):
        prefix = relative_to(folder, root)
        folders.append(Path(folder))
        images += (f"{prefix}{name}" for name in sorted(files) if is_image(name))
    return images, folders


def walk_folders(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does, by name, without hidden folders; links are followed, but not around in circles.

    Taking names out of the list of subfolders keeps the walk out of these.
    """
    for folder, names, files in os.walk(top, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith(".") and not _leads_back(folder, name))
        yield folder, names, files


def is_image(name: str) -> bool:
    """Whether a file is an image by its name, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def _leads_back(folder: str, name: str) -> bool:
    link = os.path.join(folder, name)  # noqa: PTH118 - paths by the thousand
    return os.path.islink(link) and f"{os.path.realpath(folder)}/".startswith(f"{os.path.realpath(link)}/")  # noqa: PTH114


def relative_to(folder: str | Path, root: Path) -> str:
    """Return the prefix that names files of `folder` from `root`: "", "sub/", or an absolute folder outside."""
    path = Path(folder)
    if path.is_relative_to(root):
        inside = path.relative_to(root).as_posix()
        return "" if inside == "." else f"{inside}/"
    return f"{path.absolute().as_posix()}/"


def read_list(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text that hold something, stripped, with their numbers; InputError where unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    if "\0" in text:
        raise InputError(f"{path}: not a text file")
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in stripped if line]


def read_image_list(path: Path) -> list[str]:
    """Return the images that a list names, one a line, with "/" between folders and no "./" before them.

    Raises InputError naming the line: something that is no image by its name; or a list without any.
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
    """Return the first line, stripped; "" where it cannot be read or is not text. Reads no more than its start."""
    try:
        with path.open("rb") as file:
            return file.readline(4096).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def existing(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that are there, each once; the nearest one above stands for a folder that is not."""
    found: dict[Path, None] = {}
    for folder in folders:
        place = folder
        while not place.is_dir() and place != place.parent:
            place = place.parent
        found.setdefault(place)
    return tuple(found)


def read_class_names(*folders: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Return the names in the first `classes.txt` of `folders`, one a line, and that file; () and () without one."""
    for folder in folders:
        path = folder / "classes.txt"
        if path.is_file():
            return tuple(name for _, name in read_list(path)), (path,)
    return (), ()
