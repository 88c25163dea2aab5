"""Pictures of a job: annotated video and contact sheet of a tracked sequence, heatmaps of a training batch."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from fairmot.engine.hooks import StepResult
from fairmot.formats.images import write_image
from fairmot.formats.video import VideoWriter
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.tracks import Tracks
from fairmot.viz.contact_sheet import contact_sheet
from fairmot.viz.draw import draw_tracks
from fairmot.viz.heatmap import heatmap_pair
from fairmot.viz.trails import FootTrails

SHEET_TILES = 12
SHEET_COLUMNS = 3


class TrackVideo:
    """Write `<stem>.mp4` frame by frame and, at the end, `<stem>.png` with frames spread over the sequence."""

    def __init__(self, stem: Path, frame_rate: float) -> None:
        self.video_path = stem.with_name(f"{stem.name}.mp4")
        self.sheet_path = stem.with_name(f"{stem.name}.png")
        self._writer = VideoWriter(self.video_path, frame_rate)
        self._trails = FootTrails()
        self._tiles: list[tuple[int, ImageArray]] = []
        self._step = 1
        self._count = 0

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def add(self, image: ImageArray, tracks: Tracks) -> None:
        """Draw one frame, (H, W, 3) RGB uint8, and its tracks."""
        self._count += 1
        trails = self._trails.update(tracks.ids, tracks.boxes_tlwh)
        drawn = draw_tracks(image, tracks.boxes_tlwh, tracks.ids, trails=trails)
        self._writer.write(drawn)
        if (self._count - 1) % self._step == 0:
            self._tiles.append((self._count, drawn))
        if len(self._tiles) == 2 * SHEET_TILES:  # keep every second and look half as often: evenly spread, bounded
            self._tiles, self._step = self._tiles[::2], self._step * 2

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)
        if kind is None and self._tiles:
            chosen = np.linspace(0, len(self._tiles) - 1, min(SHEET_TILES, len(self._tiles))).round().astype(int)
            tiles = [self._tiles[index] for index in chosen]
            captions = [f"frame {number}" for number, _ in tiles]
            images = [image for _, image in tiles]
            write_image(self.sheet_path, contact_sheet(images, columns=SHEET_COLUMNS, captions=captions))


def heatmaps_beside_truth(result: StepResult, *, most: int = 4) -> list[ImageArray]:
    """Return, for up to `most` images of a batch, the predicted heatmap beside the truth, drawn over the image."""
    pixels = (result.batch.images_B3HW[:most].permute(0, 2, 3, 1) * 255).round().byte()
    images = np.ascontiguousarray(pixels.cpu().numpy())
    predicted = result.outputs.heatmap[:most].sigmoid().amax(dim=1).cpu().numpy()
    truth = result.batch.heatmap_BCHW[:most].amax(dim=1).cpu().numpy()
    return [heatmap_pair(image, p, t) for image, p, t in zip(images, predicted, truth, strict=True)]
