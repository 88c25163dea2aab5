"""Visualization: tracked frames, a contact sheet of them, heatmaps of a training batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fairmot.engine.trainer import StepResult
from fairmot.formats.images import write_image
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.tracks import Tracks
from fairmot.viz.contact_sheet import contact_sheet
from fairmot.viz.draw import draw_tracks
from fairmot.viz.heatmap import heatmap_pair
from fairmot.viz.trails import FootTrails

SHEET_TILES = 12
SHEET_COLUMNS = 3


class TrackPainter:
    """Draws tracks on the frames of one sequence, and keeps evenly spaced frames for a contact sheet.

    trail: length of the drawn trajectories in frames.
    """

    def __init__(self, *, trail: int = 30) -> None:
        self._trails = FootTrails(trail)
        self._tiles: list[tuple[int, ImageArray]] = []
        self._step = 1
        self._count = 0

    def draw(self, image: ImageArray, tracks: Tracks, *, frame: int) -> ImageArray:
        """Return a copy of a frame, (H, W, 3) RGB uint8, with its tracks; `frame` is its number."""
        trails = self._trails.update(tracks.ids, tracks.boxes_tlwh)
        drawn = draw_tracks(image, tracks.boxes_tlwh, tracks.ids, trails=trails)
        self._keep(drawn, frame)
        return drawn

    def _keep(self, drawn: ImageArray, frame: int) -> None:
        if self._count % self._step == 0:
            self._tiles.append((frame, drawn))
        self._count += 1
        if len(self._tiles) == 2 * SHEET_TILES:  # keep every second frame and halve the sampling rate
            self._tiles, self._step = self._tiles[::2], self._step * 2

    @contextmanager
    def sheet(self, path: Path) -> Iterator[None]:
        """Write the contact sheet when the block succeeds; nothing if no frame was drawn."""
        yield
        if not self._tiles:
            return
        chosen = np.linspace(0, len(self._tiles) - 1, min(SHEET_TILES, len(self._tiles))).round().astype(int)
        tiles = [self._tiles[index] for index in chosen]
        captions = [f"frame {number}" for number, _ in tiles]
        images = [image for _, image in tiles]
        write_image(path, contact_sheet(images, columns=SHEET_COLUMNS, captions=captions))


def heatmap_comparison(result: StepResult, *, most: int = 4) -> list[ImageArray]:
    """Return, for up to `most` images of a batch, the predicted and the target heatmap, drawn over the image."""
    pixels = (result.batch.images_B3HW[:most].permute(0, 2, 3, 1) * 255).round().byte()
    images = np.ascontiguousarray(pixels.cpu().numpy())
    predicted = result.outputs.heatmap[:most].sigmoid().amax(dim=1).cpu().numpy()
    target = result.batch.heatmap_BCHW[:most].amax(dim=1).cpu().numpy()
    return [heatmap_pair(image, p, t) for image, p, t in zip(images, predicted, target, strict=True)]
