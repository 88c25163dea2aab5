"""Reader of label tables: a CSV file with a header, whose columns `fairmot.formats.csv_labels` describes."""

from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source, select_sequences
from fairmot.data.readers.paths import files_with, find_label_file, relative_to
from fairmot.formats.csv_labels import is_label_csv, read_label_csv
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".csv"


def matches(root: Path) -> bool:
    """Whether `root` is a label table or has one in it."""
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
        return self.source.folder

    def plan(self) -> ReadPlan:
        """Find the file; InputError where there is none or where there are several."""
        fits = is_label_csv if len(files_with(self.source.root, SUFFIX)) > 1 else Path.is_file
        file = find_label_file(self.source, suffix=SUFFIX, fits=fits)
        return ReadPlan(units=(file,), files=(file,))

    def read(self, unit: Path) -> Annotations:
        """Read the file; images by sequence and frame where it has them. InputError names the line that is wrong."""
        annotations = read_label_csv(unit)
        if not annotations.images:
            raise InputError(f"{unit}: no rows below the header")
        folder = self.image_root / self.source.images if self.source.images else unit.parent
        return select_sequences(annotations, self.source.sequences, prefix=relative_to(folder, self.image_root))
