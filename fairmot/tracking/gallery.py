"""Re-identification gallery: identities and embeddings of removed tracks, kept for some time."""

from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.tracking.assignment import Matches, assign
from fairmot.tracking.costs import appearance_cost, forbid_across_classes
from fairmot.tracking.track_table import ColumnTable, TrackTable


@dataclass
class ReIDGallery(ColumnTable):
    """G removed tracks.

    ids, classes, start_frames, last_frames: (G,) as in TrackTable. embeddings: (G, D) float32.
    """

    prefix: ClassVar[str] = "gallery_"

    classes: IntArray
    start_frames: IntArray
    last_frames: IntArray
    embeddings: FloatArray

    @classmethod
    def empty(cls) -> Self:
        """Return an empty gallery."""
        return cls.from_tracks(TrackTable.empty(), np.zeros(0, dtype=np.int64))

    @classmethod
    def from_tracks(cls, tracks: TrackTable, rows: IntArray) -> Self:
        """Return the entries of the tracks at `rows`."""
        return cls(*(getattr(tracks, field.name)[rows] for field in fields(cls)))

    def match(self, tracks: TrackTable, rows: IntArray, *, threshold: float) -> Matches:
        """Assign gallery entries (Matches.columns) to tracks (Matches.rows, positions in `rows`).

        One to one within a class, by cosine distance up to `threshold`; a zero embedding has distance 1 to all.
        """
        if not len(rows) or not len(self):
            return assign(np.zeros((0, 0)), limit=threshold)
        cost = appearance_cost(tracks.embeddings[rows], self.embeddings)
        return assign(forbid_across_classes(cost, tracks.classes[rows], self.classes), limit=threshold)
