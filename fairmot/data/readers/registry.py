"""Layouts by name, and the layout of a folder that nobody named."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fairmot.data.readers import coco, crowdhuman, csv_table, jde, motchallenge, yolo
from fairmot.data.readers.base import Reader, Source
from fairmot.utils.errors import InputError


class Layout(NamedTuple):
    """How a layout is read and recognised."""

    make_reader: Callable[[Source], Reader]
    recognises: Callable[[Path], bool]


LAYOUTS: dict[str, Layout] = {
    "mot": Layout(motchallenge.MotChallengeReader, motchallenge.recognises),
    "crowdhuman": Layout(crowdhuman.CrowdHumanReader, crowdhuman.recognises),
    "jde": Layout(jde.JDEReader, jde.recognises),
    "yolo": Layout(yolo.YOLOReader, yolo.recognises),
    "coco": Layout(coco.COCOReader, coco.recognises),
    "csv": Layout(csv_table.CSVReader, csv_table.recognises),
}


def recognise_layout(place: Path, *, key: str) -> str:
    """Return the name of the layout of a folder or annotation file; the first in order where several fit.

    key: what messages begin with. Raises InputError where none fits.
    """
    for name, layout in LAYOUTS.items():
        if layout.recognises(place):
            return name
    raise InputError(f"{key}: {place}: no layout that is known ({', '.join(LAYOUTS)}): see docs/data.md")
