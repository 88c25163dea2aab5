"""The tracker alone over a detection cache: `track.py --replay CACHE --output RESULT`."""

from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from fairmot.commands.track.camera_motion import build_replay_motion_step, camera_motion_path
from fairmot.commands.track.interrupt import Ending, Interruption
from fairmot.commands.track.options import ROWS_ALONE, Outputs
from fairmot.commands.track.outputs import SequenceOutputs
from fairmot.commands.track.step import tracking_step
from fairmot.formats.detection_cache import DetectionCache, read_cache
from fairmot.formats.text_io import LineStream, require_different_file
from fairmot.utils.errors import InputError
from fairmot.utils.pipeline import Pipeline, StageClock, Step, describe_speed


def replay(
    cfg: Any, *, cache: Path, output: Path, outputs: Outputs = ROWS_ALONE, stdout: LineStream | None = None
) -> Path:
    """Track the detections in `cache`, write a MOTChallenge result file to `output`, and return `output`.

    The cache's frame rate scales TRACKER.BUFFER; its times, camera motion and limits on starts are used; of its
    embeddings the first PREDICT.REID_PREFIX values. outputs: what is written beside, by the name of `output` without
    its suffix; stdout: where JSON lines go that are not for a file. `<output>.part` until it is whole.

    Raises InputError when the cache cannot be read or lacks what the configuration asks for, or `output` is a folder,
    or a file that is read.
    """
    if output.is_dir():
        raise InputError(f"{output}: is a folder; --replay writes one result file")
    clock = StageClock()
    with clock.work("read"):
        detections = _read(cache, prefix=cfg.PREDICT.REID_PREFIX)
    camera = build_replay_motion_step(cfg, output.stem, cache=cache, has_motion=detections.camera_motion is not None)
    interruption = Interruption()
    with ExitStack() as stack:
        files = SequenceOutputs(
            output, name=output.stem, cfg=cfg, outputs=outputs, frame_rate=detections.frame_rate, stdout=stdout
        )
        for path, source in product(files.paths, [cache, *filter(None, [camera_motion_path(cfg, output.stem)])]):
            require_different_file(path, source)
        ending = stack.enter_context(Ending(interruption).heard())
        stack.enter_context(files)
        track = tracking_step(cfg, frame_rate=detections.frame_rate, decisions=outputs.event_log)
        steps = [Step("track", lambda seen: track(camera(seen))), Step("write", files.write)]
        pipeline = Pipeline(detections.tracker_inputs(), steps, clock=clock, threads=False)
        stack.enter_context(ending.stops(pipeline.stop))
        stack.enter_context(pipeline)
        for _ in pipeline:
            if stdout is not None and stdout.is_closed:
                pipeline.stop()
    print(f"{output}: {files.counts}\n{output}: {describe_speed(clock, files.counts.frames)}")
    interruption.check()
    return output


def _read(cache: Path, *, prefix: int) -> DetectionCache:
    detections = read_cache(cache)
    length = detections.embeddings.shape[1]
    if prefix > length:
        raise InputError(f"{cache}: its embeddings have {length} values, fewer than PREDICT.REID_PREFIX = {prefix}")
    return detections.truncate_embeddings(prefix) if prefix else detections
