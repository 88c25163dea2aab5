"""Tracking of one frame source: a pipeline of steps, each in its own thread, and its output files."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fairmot.commands.run import Run
from fairmot.commands.track.camera_motion import FrameInput, build_camera_motion_step
from fairmot.commands.track.interrupt import StopSignal
from fairmot.commands.track.options import TrackOptions
from fairmot.commands.track.output_checks import require_inputs_kept, require_plain_name
from fairmot.commands.track.outputs import FrameResult, SequenceOutputs, tracking_step
from fairmot.commands.track.public_detections import PublicDetector, read_public_boxes
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
from fairmot.tracking.build import build_postprocess
from fairmot.utils.pipeline import Pipeline, StageClock, Step, describe_speed
from fairmot.video.build import live_options
from fairmot.video.source import FrameSource, open_frames
from fairmot.video.writer import CODECS, VideoWriter

NETWORK = "network"  # the first stage
Detector = Callable[[Frame], tuple[Detections, BoolArray | None]]


@dataclass(frozen=True)
class TrackContext:
    """Objects shared by all sources of a run."""

    predictor: Predictor
    run: Run
    options: TrackOptions
    stdout: LineStream | None = None
    window: PreviewWindow | None = None


def track_source(cfg: CfgNode, context: TrackContext, address: str) -> tuple[Path, bool]:
    """Track one source and write its files; return the result file, and whether the user ended the run.

    A signal ends it early, after the frames in progress; then Interrupted is raised, but not for a camera or stream,
    which only a signal can end.
    """
    clock = StageClock()
    log, options = context.run.log, context.options
    with ExitStack() as stack:
        source = stack.enter_context(open_frames(address, live=live_options(cfg), report=log.info))
        path = context.run.output / f"{source.name}.txt"
        files = _make_outputs(cfg, context, source, path, address=address)
        stack.push(partial(_log_rows_after_failure, log, files, path))
        stop_signal = stack.enter_context(StopSignal())
        steps = _build_steps(cfg, context, source, address, files=files, stack=stack)
        clock.busy["read"] = 0.0  # first in the report; set at the end
        pipeline = Pipeline(source, steps, clock=clock, threads=options.pipelined, interrupt=source.stop)
        stack.enter_context(stop_signal.calls(pipeline.stop))
        stack.enter_context(pipeline)
        is_ended = _consume(context, source, pipeline)
    clock.busy["read"] = source.read_seconds
    is_ended = is_ended or stop_signal.number is not None
    if is_ended:
        log.info(f"{source.name}: stopped after {files.counts.frames} frames")
    log.info(f"{source.name}: {files.counts} -> {path}")
    log.info(f"{source.name}: {describe_speed(clock, files.counts.frames, first=NETWORK)}")
    if source.report:
        log.info(source.report)
    if not source.live:
        stop_signal.raise_if_received()
    return path, is_ended


def _log_rows_after_failure(
    log: logging.Logger, files: SequenceOutputs, path: Path, kind: type[BaseException] | None, *_: object
) -> None:
    """After a failure, log which file has the rows written so far: it is complete if another file failed."""
    if kind is None or not files.counts.rows:
        return
    for file in (part_path(path), path):
        if file.exists():
            log.info(f"{files.name}: {files.counts} are in {file}")
            return


def _make_outputs(
    cfg: CfgNode, context: TrackContext, source: FrameSource, path: Path, *, address: str
) -> SequenceOutputs:
    """Return the output files of a source, not opened yet; InputError for a path that must not be written."""
    require_plain_name(source.name, address)
    outputs = context.options.outputs
    files = SequenceOutputs(
        path,
        name=source.name,
        outputs=outputs,
        frame_rate=source.frame_rate,
        num_classes=cfg.MODEL.NUM_CLASSES,
        postprocess=build_postprocess(cfg),
        stdout=context.stdout,
    )
    video = path.with_suffix(CODECS[cfg.VIDEO.CODEC].suffix)
    written = [*files.paths, video, video.with_suffix(".png")] if outputs.video else files.paths
    require_inputs_kept(cfg, written, options=context.options, source=address, name=source.name)
    return files


def _consume(context: TrackContext, source: FrameSource, pipeline: Pipeline) -> bool:
    """Take the results in the main thread, which windows require; return whether the user ended the run."""
    is_ended = False
    window, stdout = context.window, context.stdout
    with tqdm(total=source.length, desc=source.name, unit="frame", disable=None, leave=False) as bar:
        for result in pipeline:
            bar.update()
            is_window_closed = window is not None and not is_ended and not window.show(result.drawn)
            if is_window_closed or (stdout is not None and stdout.is_closed):
                is_ended = True
                pipeline.stop()
    return is_ended


def _build_steps(
    cfg: CfgNode, context: TrackContext, source: FrameSource, address: str, *, files: SequenceOutputs, stack: ExitStack
) -> list[Step]:
    """Return the steps from a frame to the files, which are opened on `stack`."""
    detect = _build_detector(cfg, context, source, address)
    add_motion = build_camera_motion_step(cfg, source.name)
    track = tracking_step(cfg, frame_rate=source.frame_rate, event_log=context.options.outputs.event_log)
    steps = [Step(NETWORK, lambda frame: _detect(frame, detect))]
    if add_motion is not None:
        steps.append(Step("camera", add_motion))
    steps.append(Step("track", lambda item: track(item.tracker_input, item.image)))
    drawing = _build_drawing_steps(cfg, context, files.paths[0], frame_rate=source.frame_rate, stack=stack)
    stack.enter_context(files)
    return [*steps, Step("write", files.write), *drawing]


def _build_detector(cfg: CfgNode, context: TrackContext, source: FrameSource, address: str) -> Detector:
    """Return the network's detector, or one that uses public detections."""
    predictor, options = context.predictor, context.options
    if options.public_detections is None:
        return lambda frame: (predictor(frame.image), None)
    folder = Path(address) if is_sequence(Path(address)) else None
    boxes = read_public_boxes(options.public_detections, folder, source.name, classes=cfg.DATA.CLASSES)
    context.run.log.info(boxes)
    return PublicDetector(predictor, boxes, mode=options.public_mode)


def _detect(frame: Frame, detect: Detector) -> FrameInput:
    detections, can_initiate = detect(frame)
    return FrameInput(frame.image, TrackerInput(frame.index, detections, time=frame.time, can_initiate=can_initiate))


def _build_drawing_steps(
    cfg: CfgNode, context: TrackContext, rows: Path, *, frame_rate: float, stack: ExitStack
) -> list[Step]:
    """Return the drawing and encoding steps that are needed; opens the video and the contact sheet on `stack`."""
    has_video = context.options.outputs.video
    if not has_video and context.window is None:
        return []
    painter = TrackPainter(trail=cfg.VIDEO.TRAIL)
    steps = [Step("draw", lambda result: _draw(result, painter))]
    if has_video:
        path = rows.with_suffix(CODECS[cfg.VIDEO.CODEC].suffix)
        writer = VideoWriter(path, frame_rate, codec=cfg.VIDEO.CODEC, quality=cfg.VIDEO.QUALITY)
        stack.enter_context(painter.sheet(path.with_suffix(".png")))
        stack.enter_context(writer)
        steps.append(Step("encode", lambda result: _encode(result, writer)))
    return steps


def _draw(result: FrameResult, painter: TrackPainter) -> FrameResult:
    assert result.image is not None
    return result._replace(drawn=painter.draw(result.image, result.tracks.tracks, frame=result.tracks.frame))


def _encode(result: FrameResult, writer: VideoWriter) -> FrameResult:
    assert result.drawn is not None
    writer.write(result.drawn, time=result.tracker_input.time)
    return result
