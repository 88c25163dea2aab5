"""Tracking one source of frames: its steps, each in a thread of its own, and its files."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from fairmot.commands.run import Run
from fairmot.commands.track.camera_motion import FrameInput, build_camera_motion_step
from fairmot.commands.track.interrupt import Ending, Interruption
from fairmot.commands.track.options import TrackOptions
from fairmot.commands.track.output_checks import require_inputs_kept, require_plain_name
from fairmot.commands.track.outputs import FrameResult, SequenceOutputs
from fairmot.commands.track.public_detections import PublicDetector, read_public_boxes
from fairmot.commands.track.step import tracking_step
from fairmot.commands.track.window import PreviewWindow
from fairmot.commands.visualize import TrackPainter
from fairmot.config.node import CfgNode
from fairmot.engine.predictor import Predictor
from fairmot.formats.motchallenge import is_sequence
from fairmot.formats.text_io import LineStream, part_path
from fairmot.geometry.arrays import BoolArray
from fairmot.structures.detections import Detections
from fairmot.structures.frame import Frame
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.pipeline import Pipeline, StageClock, Step, describe_speed
from fairmot.video.build import live_options
from fairmot.video.source import FrameSource, open_frames
from fairmot.video.writer import CODECS, VideoWriter

NETWORK = "network"  # the stage that frames come to
Detector = Callable[[Frame], tuple[Detections, BoolArray | None]]


@dataclass(frozen=True)
class TrackContext:
    """What all sources of a run share."""

    cfg: CfgNode
    predictor: Predictor
    run: Run
    options: TrackOptions
    stdout: LineStream | None = None
    window: PreviewWindow | None = None


class SourceResult(NamedTuple):
    """What became of a source: its result file; whether it had no end of its own; whether the user ended the run."""

    path: Path
    is_endless: bool
    is_ended: bool


def track_source(tracking: TrackContext, name: str, interruption: Interruption) -> SourceResult:
    """Track one source and write its files; a signal ends it early with the frames under way."""
    clock = StageClock()
    log, options = tracking.run.log, tracking.options
    with ExitStack() as stack:
        source = stack.enter_context(open_frames(name, live=live_options(tracking.cfg), report=log.info))
        path = tracking.run.output / f"{source.name}.txt"
        files = _open_outputs(tracking, source, path, given=name)
        stack.push(partial(_tell_of_rows, log, files, path))
        ending = stack.enter_context(Ending(interruption).heard())
        steps = _steps(tracking, source, name, files=files, stack=stack)
        clock.busy["read"] = 0.0  # first in the report; known at the end
        pipeline = Pipeline(source, steps, clock=clock, threads=options.pipelined, release=source.close)
        stack.enter_context(ending.stops(partial(_end, source, pipeline)))
        stack.enter_context(pipeline)
        is_ended = _watch(tracking, source, pipeline)
    clock.busy["read"] = source.read_seconds
    is_ended = is_ended or interruption.number is not None
    if is_ended:
        log.info(f"{source.name}: stopped after {files.counts.frames} frames")
    log.info(f"{source.name}: {files.counts} -> {path}")
    log.info(f"{source.name}: {describe_speed(clock, files.counts.frames, first=NETWORK)}")
    if source.report:
        log.info(source.report)
    return SourceResult(path, source.live, is_ended)


def _end(source: FrameSource, pipeline: Pipeline) -> None:
    """Take no further frame, not even one that a stalled stream may still send."""
    pipeline.stop()
    source.stop()


def _tell_of_rows(
    log: logging.Logger, files: SequenceOutputs, path: Path, kind: type[BaseException] | None, *_: object
) -> None:
    """Where a run failed, say where the rows that it had are: their file may be whole, and another one refused."""
    if kind is None or not files.counts.rows:
        return
    for place in (part_path(path), path):
        if place.exists():
            log.info(f"{files.name}: {files.counts} are in {place}")
            return


def _open_outputs(tracking: TrackContext, source: FrameSource, path: Path, *, given: str) -> SequenceOutputs:
    """Return the files of a source, none of them opened; InputError where one is not to be written.

    given: what names the source.
    """
    require_plain_name(source.name, given)
    files = SequenceOutputs(
        path,
        name=source.name,
        cfg=tracking.cfg,
        outputs=tracking.options.outputs,
        frame_rate=source.frame_rate,
        stdout=tracking.stdout,
    )
    video = _video_path(tracking, source)
    written = [*files.paths, video, video.with_suffix(".png")] if tracking.options.outputs.video else files.paths
    require_inputs_kept(tracking.cfg, written, options=tracking.options, source=given, name=source.name)
    return files


def _video_path(tracking: TrackContext, source: FrameSource) -> Path:
    return tracking.run.output / f"{source.name}{CODECS[tracking.cfg.VIDEO.CODEC].suffix}"


def _watch(tracking: TrackContext, source: FrameSource, pipeline: Pipeline) -> bool:
    """Follow the frames as they come out, in the main thread, where windows belong; True when the user ends the run."""
    is_ended = False
    window, stdout = tracking.window, tracking.stdout
    with tqdm(total=source.length, desc=source.name, unit="frame", disable=None, leave=False) as bar:
        for tracked in pipeline:
            bar.update()
            is_closed = window is not None and not is_ended and not window.show(tracked.drawn)
            if is_closed or (stdout is not None and stdout.is_closed):
                is_ended = True
                pipeline.stop()
    return is_ended


def _steps(
    tracking: TrackContext, source: FrameSource, name: str, *, files: SequenceOutputs, stack: ExitStack
) -> list[Step]:
    """Return the way of a frame, from the network to the files, which are opened on `stack`."""
    cfg, options = tracking.cfg, tracking.options
    detect = _detector(tracking, source, name)
    camera = build_camera_motion_step(cfg, source.name)
    track = tracking_step(cfg, frame_rate=source.frame_rate, decisions=options.outputs.event_log)
    steps = [Step(NETWORK, lambda frame: _see(frame, detect))]
    if camera is not None:
        steps.append(Step("camera", camera))
    steps.append(Step("track", lambda seen: track(seen.tracker_input, seen.image)))
    pictures = _picture_steps(tracking, source, stack)
    stack.enter_context(files)
    return [*steps, Step("write", files.write), *pictures]


def _detector(tracking: TrackContext, source: FrameSource, name: str) -> Detector:
    """Return the network's own detections, or what public ones make of them."""
    options = tracking.options
    if options.public_detections is None:
        return lambda frame: (tracking.predictor(frame.image), None)
    folder = Path(name) if is_sequence(Path(name)) else None
    boxes = read_public_boxes(options.public_detections, folder, source.name, classes=tracking.cfg.DATA.CLASSES)
    tracking.run.log.info(boxes)
    return PublicDetector(tracking.predictor, boxes, mode="replace" if options.public_mode == "replace" else "initiate")


def _see(frame: Frame, detect: Detector) -> FrameInput:
    detections, can_initiate = detect(frame)
    return FrameInput(frame.image, TrackerInput(frame.index, detections, time=frame.time, can_initiate=can_initiate))


def _picture_steps(tracking: TrackContext, source: FrameSource, stack: ExitStack) -> list[Step]:
    """Return the drawing, and where it is asked for the encoding; opens the video and sees to the sheet."""
    cfg, options = tracking.cfg, tracking.options
    if not options.outputs.video and tracking.window is None:
        return []
    painter = TrackPainter(trail=cfg.VIDEO.TRAIL)
    steps = [Step("draw", lambda tracked: _draw(tracked, painter))]
    if options.outputs.video:
        path = _video_path(tracking, source)
        writer = VideoWriter(path, source.frame_rate, codec=cfg.VIDEO.CODEC, quality=cfg.VIDEO.QUALITY)
        stack.enter_context(painter.sheet(path.with_suffix(".png")))
        stack.enter_context(writer)
        steps.append(Step("encode", lambda tracked: _encode(tracked, writer)))
    return steps


def _draw(tracked: FrameResult, painter: TrackPainter) -> FrameResult:
    item = tracked.tracks
    assert tracked.image is not None
    return tracked._replace(drawn=painter.draw(tracked.image, item.tracks, frame=item.frame))


def _encode(tracked: FrameResult, writer: VideoWriter) -> FrameResult:
    assert tracked.drawn is not None
    writer.write(tracked.drawn, time=tracked.tracker_input.time)
    return tracked
