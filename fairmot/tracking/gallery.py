"""People who left: the identities of tracks that ended, by how they looked, for a while."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.tracking.assignment import Matches, assign
from fairmot.tracking.costs import appearance_cost, forbid_across_classes
from fairmot.tracking.track_table import TrackTable
from fairmot.utils.errors import InputError

PREFIX = "gallery_"


@dataclass
class ReIDGallery:
    """G tracks that ended.

    ids, classes, start_frames, last_frames: (G,) as the tracks had them. embeddings: (G, D) float32.
    """

    ids: IntArray
    classes: IntArray
    start_frames: IntArray
    last_frames: IntArray
    embeddings: FloatArray

    @classmethod
    def empty(cls) -> "ReIDGallery":
        """Return an empty gallery."""
        return cls.of(TrackTable.empty(), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, tracks: TrackTable, rows: IntArray) -> "ReIDGallery":
        """Return what is remembered of the tracks at `rows`."""
        return cls(*(getattr(tracks, field.name)[rows] for field in fields(cls)))

    def __len__(self) -> int:
        return len(self.ids)

    def joined(self, other: "ReIDGallery") -> "ReIDGallery":
        """Return both, these first."""
        if not len(other):
            return self
        if not len(self):
            return other
        return ReIDGallery(
            *(np.concatenate([getattr(self, field.name), getattr(other, field.name)]) for field in fields(self))
        )

    def take(self, rows: npt.NDArray[Any]) -> "ReIDGallery":
        """Return those at an index array or mask."""
        return ReIDGallery(*(getattr(self, field.name)[rows] for field in fields(self)))

    def recognise(self, tracks: TrackTable, rows: IntArray, *, threshold: float) -> Matches:
        """Return which of the tracks at `rows` (Matches.rows, places in `rows`) are whom (Matches.columns).

        One to one, of one class, by cosine distance up to `threshold`; an embedding of zeros is like nobody.
        """
        if not len(rows) or not len(self):
            return assign(np.zeros((0, 0)), limit=threshold)
        cost = appearance_cost(tracks.embeddings[rows], self.embeddings)
        return assign(forbid_across_classes(cost, tracks.classes[rows], self.classes), limit=threshold)

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all columns, their names prefixed."""
        return {f"{PREFIX}{field.name}": getattr(self, field.name).copy() for field in fields(self)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> "ReIDGallery":
        """Return the gallery that `state_dict` described; an empty one where the state holds none.

        InputError names a column that is missing or misshapen.
        """
        like = cls.empty()
        if f"{PREFIX}ids" not in state:
            return like
        columns: list[npt.NDArray[Any]] = []
        for field in fields(cls):
            name = f"{PREFIX}{field.name}"
            if name not in state:
                raise InputError(f"tracker state: {name} is missing")
            try:
                column = np.asarray(state[name]).astype(getattr(like, field.name).dtype)
                count = len(columns[0]) if columns else None
                require_shape(name, column, (count, None) if field.name == "embeddings" else (count,))
            except (ValueError, TypeError) as error:
                raise InputError(f"tracker state: {' '.join(str(error).split())}") from None
            columns.append(column)
        return cls(*columns)
