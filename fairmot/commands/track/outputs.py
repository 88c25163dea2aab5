"""Tracking step of a pipeline, and the output files of one sequence; imports no torch."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import FrameTracks, to_table, track_frame


class FrameResult(NamedTuple):
    """Result of one frame: the tracker's input, its tracks and events.

    image: (H, W, 3) RGB uint8, None if there is none. drawn: the image with its tracks, if they are drawn.
    """

    tracker_input: TrackerInput
    tracks: FrameTracks
    events: tuple[TrackEvent, ...] = ()
    image: ImageArray | None = None
    drawn: ImageArray | None = None


def tracking_step(cfg: Any, *, frame_rate: float, event_log: bool = False) -> Callable[..., FrameResult]:
    """Return a function of a frame's tracker input and, optionally, image that updates a new tracker.

    event_log: whether the results contain the tracker's events.
    """
    events: list[TrackEvent] = []
    tracker = build_tracker(cfg, frame_rate=frame_rate, log=events.extend if event_log else None)
    filters = build_filters(cfg)

    def track(tracker_input: TrackerInput, image: ImageArray | None = None) -> FrameResult:
        events.clear()
        tracks = track_frame(tracker_input, tracker, filters=filters)
        return FrameResult(tracker_input, tracks, tuple(events), image)

    return track


@dataclass
class Counts:
    """Numbers of frames, result rows, and rows removed by the output filters of one sequence."""

    frames: int = 0
    rows: int = 0
    small: int = 0
    wide: int = 0

    def __str__(self) -> str:
        rows = f"{self.rows} rows of {self.frames} frames"
        if not self.small and not self.wide:
            return rows
        filtered = f"{self.small} small (TRACKER.MIN_AREA), {self.wide} wide (TRACKER.MAX_ASPECT)"
        return f"{rows}; removed by the output filters: {filtered}"


class SequenceOutputs:
    """Context manager of the output files of one sequence; `write` takes each frame.

    rows: the result file. As `outputs` says, `<stem>.jsonl`, `<stem>.events.jsonl` and `<stem>.npz` are written next to
    it; `paths` are all of them. Each is `<name>.part` until the block succeeds. postprocess: offline steps, which then
    create the result file from the rows as written; None for no steps.
    """

    def __init__(
        self,
        rows: Path,
        *,
        outputs: Outputs,
        frame_rate: float,
        num_classes: int,
        postprocess: Callable[[BoxTable], BoxTable] | None = None,
        name: str,
        stdout: LineStream | None = None,
    ) -> None:
        self.counts = Counts()
        self.name, self.paths = name, [rows]
        self._num_classes, self._stdout = num_classes, stdout
        self._rows = StreamingTextFile(rows, finalize=postprocess and partial(_refine, postprocess=postprocess))
        self._json = StreamingTextFile(self._add_path(".jsonl")) if outputs.json else None
        self._events = StreamingTextFile(self._add_path(".events.jsonl")) if outputs.event_log else None
        self._cache = DetectionCacheWriter(self._add_path(".npz"), frame_rate) if outputs.cache else None
        self._stack = ExitStack()

    def _add_path(self, suffix: str) -> Path:
        self.paths.append(self.paths[0].with_name(f"{self.paths[0].stem}{suffix}"))
        return self.paths[-1]

    def write(self, result: FrameResult) -> FrameResult:
        """Write one frame to all files and return it."""
        item = result.tracks
        self._rows.write(format_results(to_table([item], num_classes=self._num_classes)))
        line = format_tracks(self.name, item.frame, item.tracks, time=result.tracker_input.time)
        for file in (self._json, self._stdout):
            if file is not None:
                file.write([line])
        if self._events is not None:
            self._events.write(format_events(result.events))
        if self._cache is not None:
            self._cache.add(result.tracker_input)
        self.counts.frames += 1
        self.counts.rows += len(item.tracks)
        self.counts.small += item.dropped_small
        self.counts.wide += item.dropped_wide
        return result

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for file in (self._rows, self._json, self._events, self._cache):
                if file is not None:
                    stack.enter_context(file)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)


def _refine(part: Path, path: Path, *, postprocess: Callable[[BoxTable], BoxTable]) -> None:
    """Write the postprocessed rows of `part` to `path` and remove `part`."""
    write_results(path, postprocess(read_boxes(part, "results")))
    part.unlink()
