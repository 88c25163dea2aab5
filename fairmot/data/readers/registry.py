"""Registry of data set layouts by name, and detection of the layout of a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fairmot.data.readers import coco, crowdhuman, csv_table, jde, motchallenge, yolo
from fairmot.data.readers.base import Reader, Source
from fairmot.utils.errors import InputError


class Layout(NamedTuple):
    """Reader of a layout, and whether a folder or annotation file is in that layout."""

    make_reader: Callable[[Source], Reader]
    matches: Callable[[Path], bool]


LAYOUTS: dict[str, Layout] = {
    "mot": Layout(motchallenge.MotChallengeReader, motchallenge.matches),
    "crowdhuman": Layout(crowdhuman.CrowdHumanReader, crowdhuman.matches),
    "jde": Layout(jde.JDEReader, jde.matches),
    "yolo": Layout(yolo.YOLOReader, yolo.matches),
    "coco": Layout(coco.COCOReader, coco.matches),
    "csv": Layout(csv_table.CSVReader, csv_table.matches),
}


def detect_layout(path: Path, *, key: str) -> str:
    """Return the name of the layout of a folder or annotation file; the first in order where several match.

    key: beginning of the message. Raises InputError where none matches.
    """
    for name, layout in LAYOUTS.items():
        if layout.matches(path):
            return name
    raise InputError(f"{key}: {path}: no known layout ({', '.join(LAYOUTS)}): see docs/data.md")
