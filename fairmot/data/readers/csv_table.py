"""A CSV file with a header as labels; its columns are told in `fairmot.formats.csv_labels`."""

from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.label_blocks import block_of_table
from fairmot.data.readers.paths import files_with, find_label_file, folder_of, relative_to
from fairmot.formats.csv_labels import is_label_csv, read_label_csv
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".csv"


def recognises(root: Path) -> bool:
    """Whether `root` is a table of labels or has one in it."""
    if root.is_file():
        return root.suffix.lower() == SUFFIX and is_label_csv(root)
    return bool(files_with(root, SUFFIX, is_label_csv))


@dataclass(frozen=True)
class CSVReader:
    """One unit, the file; boxes in pixels, images relative to IMAGES or to the file's folder."""

    source: Source
    is_normalised: bool = False

    @property
    def image_root(self) -> Path:
        """The data set's folder."""
        return folder_of(self.source)

    def plan(self) -> ReadPlan:
        """Name the file; InputError where there is none or where there are several."""
        return ReadPlan(units=(self._file(),), files=(self._file(),))

    def read(self, unit: Path) -> Annotations:
        """Read the file; images by sequence and frame where it has them. InputError names the line that is wrong."""
        table = read_label_csv(unit)
        if not table.images:
            raise InputError(f"{unit}: no rows below the header")
        folder = self.image_root / self.source.images if self.source.images else unit.parent
        prefix = relative_to(folder, self.image_root)
        return block_of_table(table, patterns=self.source.sequences, prefix=prefix, file=unit)

    def _file(self) -> Path:
        fits = is_label_csv if len(files_with(self.source.root, SUFFIX)) > 1 else Path.is_file
        return find_label_file(self.source, suffix=SUFFIX, fits=fits)
