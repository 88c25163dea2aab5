"""Re-identification gallery: identities and embeddings of removed tracks, kept for some time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.tracking.assignment import Matches, assign
from fairmot.tracking.costs import appearance_cost, forbid_across_classes
from fairmot.tracking.track_table import ColumnTable, TrackTable

PREFIX = "gallery_"


@dataclass
class ReIDGallery(ColumnTable):
    """G removed tracks.

    ids, classes, start_frames, last_frames: (G,) as in TrackTable. embeddings: (G, D) float32.
    """

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
        return cls(
            ids=tracks.ids[rows],
            classes=tracks.classes[rows],
            start_frames=tracks.start_frames[rows],
            last_frames=tracks.last_frames[rows],
            embeddings=tracks.embeddings[rows],
        )

    def match(self, tracks: TrackTable, rows: IntArray, *, threshold: float) -> Matches:
        """Assign gallery entries (Matches.columns) to tracks (Matches.rows, positions in `rows`).

        One to one within a class, by cosine distance up to `threshold`; a zero embedding has distance 1 to all.
        """
        if not len(rows) or not len(self):
            return assign(np.zeros((0, 0)), limit=threshold)
        cost = appearance_cost(tracks.embeddings[rows], self.embeddings)
        return assign(forbid_across_classes(cost, tracks.classes[rows], self.classes), limit=threshold)

    def state_dict(self, prefix: str = PREFIX) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all columns by prefixed name."""
        return super().state_dict(prefix)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], prefix: str = PREFIX) -> Self:
        """Return the gallery of a `state_dict`, an empty one where the state has none; raises InputError."""
        return super().from_state_dict(state, prefix) if f"{prefix}ids" in state else cls.empty()
