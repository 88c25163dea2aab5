"""What tracking writes of one sequence, each file on its way to the disk as the frames go by; without torch."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from fairmot.commands.track.options import Outputs
from fairmot.formats.detection_cache_writer import DetectionCacheWriter
from fairmot.formats.motchallenge import format_results, read_boxes, write_results
from fairmot.formats.text_io import LineStream, StreamingTextFile
from fairmot.formats.tracks_json import format_events, format_tracks
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.sequence import BoxTable
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_postprocess
from fairmot.tracking.run import FrameTracks, to_table

Postprocess = Callable[[BoxTable], BoxTable]


class FrameResult(NamedTuple):
    """One frame after its update: what the tracker was told, what it says, what it decided.

    image: (H, W, 3) RGB uint8, None where there is none. picture: the image with its tracks, where they are drawn.
    """

    tracker_input: TrackerInput
    tracks: FrameTracks
    events: tuple[TrackEvent, ...] = ()
    image: ImageArray | None = None
    drawn: ImageArray | None = None


@dataclass
class Counts:
    """What one sequence came to."""

    frames: int = 0
    rows: int = 0
    small: int = 0
    wide: int = 0

    def add(self, tracks: FrameTracks) -> None:
        """Count one frame's output."""
        self.frames += 1
        self.rows += len(tracks.tracks)
        self.small += tracks.dropped_small
        self.wide += tracks.dropped_wide

    def __str__(self) -> str:
        rows = f"{self.rows} rows of {self.frames} frames"
        if not self.small and not self.wide:
            return rows
        filtered = f"{self.small} small (TRACKER.MIN_AREA), {self.wide} wide (TRACKER.MAX_ASPECT)"
        return f"{rows}; left out by the output filters: {filtered}"


class SequenceOutputs:
    """The files of one sequence: a context manager whose `write` takes each frame.

    rows: the result file. Beside it stand `<stem>.jsonl`, `<stem>.events.jsonl` and `<stem>.npz`, as `outputs` asks;
    `paths` are all of them. Each is `<name>.part` until the block succeeds. The offline steps of the configuration, if
    any, then make the result file from the rows as they were written.
    """

    def __init__(
        self, rows: Path, *, name: str, cfg: Any, outputs: Outputs, frame_rate: float, stdout: LineStream | None = None
    ) -> None:
        self.counts = Counts()
        self.name = name
        self.paths = [rows]
        self._num_classes = cfg.MODEL.NUM_CLASSES
        refiner = build_postprocess(cfg)
        self._rows = StreamingTextFile(rows, finalize=None if refiner is None else partial(_refine, refiner=refiner))
        self._json = StreamingTextFile(self._beside(".jsonl")) if outputs.json else None
        self._stdout = stdout
        self._decisions = StreamingTextFile(self._beside(".events.jsonl")) if outputs.event_log else None
        self._cache = DetectionCacheWriter(self._beside(".npz"), frame_rate) if outputs.cache else None
        self._stack = ExitStack()

    def _beside(self, suffix: str) -> Path:
        """Return the path of another file of this sequence, which is one of `paths` from now on."""
        self.paths.append(self.paths[0].with_name(f"{self.paths[0].stem}{suffix}"))
        return self.paths[-1]

    def write(self, tracked: FrameResult) -> FrameResult:
        """Write one frame to all files and return it."""
        item = tracked.tracks
        self._rows.write(format_results(to_table([item], num_classes=self._num_classes)))
        line = format_tracks(self.name, item.frame, item.tracks, time=tracked.tracker_input.time)
        for file in (self._json, self._stdout):
            if file is not None:
                file.write([line])
        if self._decisions is not None:
            self._decisions.write(format_events(tracked.events))
        if self._cache is not None:
            self._cache.add(tracked.tracker_input)
        self.counts.add(item)
        return tracked

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for file in (self._rows, self._json, self._decisions, self._cache):
                if file is not None:
                    stack.enter_context(file)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _refine(part: Path, path: Path, *, refiner: Postprocess) -> None:
    """Write `path` from the rows in `part`, and remove that."""
    write_results(path, refiner(read_boxes(part, "results")))
    part.unlink()
