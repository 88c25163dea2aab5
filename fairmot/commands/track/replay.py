"""Tracking without a network, from a detection cache: `fairmot track --replay CACHE --output RESULT`."""

from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from fairmot.commands.track.camera_motion import build_replay_motion_step, camera_motion_path
from fairmot.commands.track.interrupt import StopSignal
from fairmot.commands.track.options import DEFAULTS, Outputs
from fairmot.commands.track.outputs import SequenceOutputs, tracking_step
from fairmot.formats.detection_cache import DetectionCache, read_cache
from fairmot.formats.text_io import LineStream, require_different_file
from fairmot.tracking.build import build_postprocess
from fairmot.utils.errors import InputError
from fairmot.utils.pipeline import Pipeline, StageClock, Step, add_time, describe_speed


def replay(
    cfg: Any, *, cache: Path, output: Path, outputs: Outputs = DEFAULTS.outputs, stdout: LineStream | None = None
) -> Path:
    """Track the detections in `cache`, write a MOTChallenge result file to `output`, and return `output`.

    The cache's frame rate scales TRACKER.BUFFER; its times, camera motion and initiation flags are used, and the first
    PREDICT.REID_PREFIX values of its embeddings. outputs: additional files next to `output`, with its stem as name;
    stdout: stream of JSON lines. The result is `<output>.part` until it is complete.

    Raises InputError if the cache cannot be read or lacks required arrays, or `output` is a folder or an input file.
    """
    if output.is_dir():
        raise InputError(f"{output}: is a folder; --replay writes one result file")
    clock = StageClock()
    with add_time(clock.busy, "read"):
        detections = _read(cache, prefix=cfg.PREDICT.REID_PREFIX)
    has_motion = detections.camera_motion is not None
    add_motion = build_replay_motion_step(cfg, output.stem, cache=cache, has_motion=has_motion)
    with ExitStack() as stack:
        files = SequenceOutputs(
            output,
            name=output.stem,
            outputs=outputs,
            frame_rate=detections.frame_rate,
            num_classes=cfg.MODEL.NUM_CLASSES,
            postprocess=build_postprocess(cfg),
            stdout=stdout,
        )
        for path, source in product(files.paths, [cache, *filter(None, [camera_motion_path(cfg, output.stem)])]):
            require_different_file(path, source)
        stop_signal = stack.enter_context(StopSignal())
        stack.enter_context(files)
        track = tracking_step(cfg, frame_rate=detections.frame_rate, event_log=outputs.event_log)
        steps = [Step("track", lambda item: track(add_motion(item))), Step("write", files.write)]
        pipeline = Pipeline(detections.tracker_inputs(), steps, clock=clock, threads=False)
        stack.enter_context(stop_signal.calls(pipeline.stop))
        stack.enter_context(pipeline)
        for _ in pipeline:
            if stdout is not None and stdout.is_closed:
                pipeline.stop()
    print(f"{output}: {files.counts}\n{output}: {describe_speed(clock, files.counts.frames)}")
    stop_signal.raise_if_received()
    return output


def _read(cache: Path, *, prefix: int) -> DetectionCache:
    detections = read_cache(cache)
    length = detections.embeddings.shape[1]
    if prefix > length:
        raise InputError(f"{cache}: its embeddings have {length} values, fewer than PREDICT.REID_PREFIX = {prefix}")
    return detections.truncate_embeddings(prefix) if prefix else detections
