"""Files of MOTChallenge sequences: `seqinfo.ini`, ground truth and results.

Ground truth has 9 columns (MOT16/17/20: frame, id, left, top, width, height, consider flag, class, visibility) or 10
(MOT15: ..., flag, and three world coordinates); results have 10 (..., score, -1, -1, -1; with several classes: ...,
score, class, -1, -1). Frames and pixels count from 1; boxes are returned as the file has them. Source: Milan et al.,
MOT16, section 3.3.
"""

import configparser
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from fairmot.formats.atomic import write_text
from fairmot.formats.text_io import read_text
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import MAX_INTEGER
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.errors import InputError

CLASS_NAMES = {
    "pedestrian": 1,
    "person": 1,
    "person on vehicle": 2,
    "car": 3,
    "bicycle": 4,
    "motorbike": 5,
    "non-motorised vehicle": 6,
    "static person": 7,
    "distractor": 8,
    "occluder": 9,
    "occluder on the ground": 10,
    "occluder full": 11,
    "reflection": 12,
    "crowd": 13,
}
DETECTORS = ("FRCNN", "SDP", "DPM")  # MOT17 has a copy of each sequence for each; "auto" selects the first that exists
_COPY = re.compile(rf"(.+)-({'|'.join(DETECTORS)})")
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp")


def is_sequence(folder: Path) -> bool:
    """Whether a folder has a seqinfo.ini, an img1 folder or a gt/gt.txt."""
    return any((folder / name).exists() for name in ("seqinfo.ini", "img1", "gt/gt.txt"))


def sequence_name(folder: Path) -> str:
    """Return the name of a sequence's results: that of its seqinfo.ini, else of the folder."""
    return read_sequence_info(folder).name if (folder / "seqinfo.ini").exists() else folder.resolve().name


def has_official_names(names: Sequence[str]) -> bool:
    """Whether all names are classes of the challenge, ignoring case."""
    return all(name.strip().lower() in CLASS_NAMES for name in names)


def class_numbers(names: Sequence[str]) -> tuple[int, ...]:
    """Return the class numbers of ground truth files.

    If all names are classes of the challenge, they are its numbers (Milan et al., MOT16, table 3); otherwise the files
    are expected to count their classes from 1 in the order of `names`. Raises InputError: no name, one that is empty or
    has a slash, one class twice (`person` equals `pedestrian`).

    >>> class_numbers(["pedestrian", "car"]), class_numbers(["car", "tram"])
    ((1, 3), (1, 2))
    """
    plain = [name.strip().lower() for name in names]
    for name in names:
        if not name.strip() or "/" in name:
            raise InputError(f"DATA.CLASSES: {name!r} is not a class name; expected text without a slash")
    if not names or len({CLASS_NAMES.get(name, name) for name in plain}) < len(names):
        raise InputError(f"DATA.CLASSES: {', '.join(names) or 'no name'}: each class once (person is pedestrian)")
    return tuple(CLASS_NAMES[name] for name in plain) if has_official_names(names) else tuple(range(1, len(names) + 1))


def find_sequences(root: Path) -> list[Path]:
    """Return `root` if it is a sequence, else its subfolders that are, by name; InputError when there is none."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    if is_sequence(root):
        return [root]
    found = sorted(folder for folder in root.iterdir() if folder.is_dir() and is_sequence(folder))
    if not found:
        raise InputError(f"{root}: no MOTChallenge sequence here (folders with seqinfo.ini, img1 or gt/gt.txt)")
    return found


def without_copies(folders: Sequence[Path], detector: str = "auto") -> list[Path]:
    """Return one copy of each sequence; the copies for several detectors have the same images and ground truth.

    detector: `auto` selects the first of DETECTORS that exists. InputError where a sequence has no such copy.

    >>> [path.name for path in without_copies([Path("MOT17-02-DPM"), Path("MOT17-02-SDP"), Path("street")])]
    ['MOT17-02-SDP', 'street']
    """
    copies: dict[str, dict[str, Path]] = {}
    for folder in folders:
        match = _COPY.fullmatch(folder.name)
        stem, copy = match.groups() if match else (folder.name, "")
        copies.setdefault(stem, {})[copy] = folder
    return [_choose_copy(stem, found, detector) for stem, found in copies.items()]


def _choose_copy(stem: str, copies: dict[str, Path], detector: str) -> Path:
    if "" in copies:
        return copies[""]
    if detector == "auto":
        return next(copies[name] for name in DETECTORS if name in copies)
    if detector not in copies:
        raise InputError(f"{stem}: no copy of detector {detector!r}; there are {', '.join(sorted(copies))}")
    return copies[detector]


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, without hidden ones, in natural order (2.jpg before 10.jpg)."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    images = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_EXTENSIONS)
    return sorted((path for path in images if not path.name.startswith(".")), key=_natural_order)


def _natural_order(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], path.name


def read_sequence_info(folder: Path) -> SequenceInfo:
    """Read `folder/seqinfo.ini`; InputError names the file and the key that is missing or wrong."""
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser()
    try:
        with path.open(encoding="utf-8-sig") as file:
            parser.read_file(file)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    if not parser.has_section("Sequence"):
        raise InputError(f"{path}: no section [Sequence]")
    section = parser["Sequence"]
    return SequenceInfo(
        name=section.get("name", folder.name),
        root=folder,
        frame_rate=_number(path, section, "frameRate", 30.0),
        length=int(_number(path, section, "seqLength", None)),
        image_hw=(int(_number(path, section, "imHeight", 0.0)), int(_number(path, section, "imWidth", 0.0))),
        image_dir=section.get("imDir", "img1"),
        image_extension=section.get("imExt", ".jpg"),
        has_name="name" in section,
    )


def _number(path: Path, section: configparser.SectionProxy, key: str, default: float | None) -> float:
    text = section.get(key)
    if text is None:
        if default is None:
            raise InputError(f"{path}: {key} is missing")
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{path}: {key} = {text!r} is not a number of 0 or more")
    return value


def write_sequence_info(info: SequenceInfo) -> None:
    """Write `info.root/seqinfo.ini`."""
    rate = int(info.frame_rate) if float(info.frame_rate).is_integer() else info.frame_rate
    height, width = info.image_hw
    text = f"[Sequence]\nname={info.name}\nimDir={info.image_dir}\nframeRate={rate}\nseqLength={info.length}\n"
    text += f"imWidth={width}\nimHeight={height}\nimExt={info.image_extension}\n"
    write_text(info.root / "seqinfo.ini", text)


def read_boxes(path: Path, kind: Literal["ground_truth", "results"]) -> BoxTable:
    """Read a ground truth or result file; rows keep the file's order.

    Columns are separated by commas or spaces. Raises InputError naming file and line: fewer than 7 columns (6 in
    results), a row longer or shorter than those above, text instead of a number, a fractional frame or identity, a
    frame below 1, a value that is not finite.
    """
    text = read_text(path)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    minimum = 7 if kind == "ground_truth" else 6
    rows = _parse_table(lines, minimum)
    if rows is None:
        rows = _parse_rows(path, lines, minimum)
    return _to_table(rows, np.array([number for number, _ in lines], dtype=np.int64), kind)


def _parse_table(lines: list[tuple[int, str]], minimum: int) -> FloatArray | None:
    """Return rows of one length by one vectorized parse; None where any row is unusual."""
    if not lines:
        return None
    try:
        rows = np.loadtxt([line.replace(",", " ") for _, line in lines], ndmin=2, comments=None)
    except ValueError:
        return None
    keys = rows[:, :2]
    is_valid = rows.shape[1] >= minimum and np.isfinite(rows).all() and bool((keys == np.floor(keys)).all())
    return rows if is_valid and keys[:, 0].min() >= 1 and np.abs(keys).max() < MAX_INTEGER else None


def _parse_rows(path: Path, lines: list[tuple[int, str]], minimum: int) -> FloatArray:
    """Return the rows, each checked; InputError names the first wrong one."""
    rows: list[list[float]] = []
    for number, line in lines:
        row = parse_row(path, number, line, minimum=minimum)
        if rows and len(row) != len(rows[0]):
            raise InputError(f"{path}:{number}: {len(row)} columns where the lines above have {len(rows[0])}")
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


def parse_row(path: Path, number: int, line: str, *, minimum: int) -> list[float]:
    """Return the values of line `number`; InputError where it has less than `minimum` columns or an invalid value."""
    fields = line.replace(",", " ").split()
    if len(fields) < minimum:
        raise InputError(f"{path}:{number}: {len(fields)} columns, expected at least {minimum}")
    try:
        row = [float(field) for field in fields]
    except ValueError:
        raise InputError(f"{path}:{number}: not a row of numbers: {line.strip()[:80]!r}") from None
    if not all(math.isfinite(value) for value in row):
        raise InputError(f"{path}:{number}: a value is not finite: {line.strip()[:80]!r}")
    if not row[0].is_integer() or not 1 <= row[0] < MAX_INTEGER:
        raise InputError(f"{path}:{number}: frame {fields[0]} is not a whole number from 1 up")
    if not row[1].is_integer() or abs(row[1]) >= MAX_INTEGER:
        raise InputError(f"{path}:{number}: identity {fields[1]} is not a whole number")
    return row


def _to_table(rows: FloatArray, numbers: IntArray, kind: Literal["ground_truth", "results"]) -> BoxTable:
    count, columns = rows.shape
    padded = np.full((count, 10), -1.0)
    padded[:, : min(columns, 10)] = rows[:, :10]
    has_classes = columns >= 8 if kind == "results" else columns in (8, 9)  # 10: MOT15's coordinates
    return BoxTable(
        frames=padded[:, 0].astype(np.int64),
        ids=padded[:, 1].astype(np.int64),
        boxes_tlwh=padded[:, 2:6],
        confidences=padded[:, 6],
        classes=padded[:, 7].astype(np.int64) if has_classes else np.full(count, -1, dtype=np.int64),
        visibilities=padded[:, 8] if kind == "ground_truth" and columns == 9 else np.ones(count),
        lines=numbers,
        columns=columns,
    )


def write_ground_truth(path: Path, table: BoxTable) -> None:
    """Write 9-column ground truth, by identity then frame."""
    order = np.lexsort((table.frames, table.ids))
    lines = []
    for row in order:
        box = ",".join(f"{value:.2f}".rstrip("0").rstrip(".") for value in table.boxes_tlwh[row])
        flag, class_number = int(table.confidences[row]), int(table.classes[row])
        key = f"{table.frames[row]},{table.ids[row]}"
        lines.append(f"{key},{box},{flag},{class_number},{table.visibilities[row]:.5f}\n")
    write_text(path, "".join(lines))


def format_results(table: BoxTable) -> Iterable[str]:
    """Yield 10-column result lines with 3 decimals, by frame then identity; column 8 is the class, -1 without."""
    for row in np.lexsort((table.ids, table.frames)):
        numbers = ",".join(f"{value:.3f}" for value in (*table.boxes_tlwh[row], table.confidences[row]))
        yield f"{table.frames[row]},{table.ids[row]},{numbers},{table.classes[row]},-1,-1\n"


def write_results(path: Path, table: BoxTable) -> None:
    """Write a MOTChallenge result file atomically; an empty table gives an empty file."""
    write_text(path, "".join(format_results(table)))
