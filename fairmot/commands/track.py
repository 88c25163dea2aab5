"""`fairmot track`: from images to tracks."""

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from fairmot.commands.load_file import load_file
from fairmot.commands.replay import replay
from fairmot.commands.run import Run, start_run
from fairmot.commands.show import TrackVideo
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.sequence import find_sources, open_frames
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.formats.atomic import replacing
from fairmot.formats.fetch import locate
from fairmot.formats.motchallenge import format_results
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.structures.detections import Detections
from fairmot.structures.frame import Frame
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import FrameTracks, to_table, track_sequence
from fairmot.utils.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument("--config", type=Path, help="YAML file")
    parser.add_argument("--weights", type=Path, help="checkpoint (.pt, .pth)")
    parser.add_argument("--input", help="sequence(s), image folder, video file, camera index or stream URL")
    parser.add_argument("--output", type=Path, required=True, help="folder for results; a file with --replay")
    parser.add_argument("--replay", type=Path, metavar="CACHE", help="run the tracker alone over a detection cache")
    parser.add_argument("--video", action="store_true", help="write an annotated video and a contact sheet too")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool."""
    cfg = load_cfg(arguments.config, arguments.overrides)
    if arguments.replay is not None:
        replay(cfg, cache=arguments.replay, output=arguments.output)
        return 0
    if arguments.weights is None or arguments.input is None:
        raise InputError("--weights and --input are needed (or --replay CACHE)")
    track(cfg, weights=arguments.weights, source=arguments.input, output=arguments.output, video=arguments.video)
    return 0


def track(cfg: CfgNode, *, weights: Path, source: str | Path, output: Path, video: bool = False) -> list[Path]:
    """Track every sequence that `source` names; write `<output>/<sequence>.txt` and return the paths.

    With several classes column 8 is the class, 1 for the first of DATA.CLASSES; with one it is -1.
    With `video`, `<sequence>.mp4` and `<sequence>.png` (a contact sheet) stand beside. Each sequence gets a new
    tracker. A result file appears when its sequence is done; Ctrl-C keeps the frames tracked so far.
    """
    sources = find_sources(str(source))
    model = build_model(cfg)
    loaded = load_file(model, locate(weights))
    run = start_run(cfg, output)
    run.log.info(loaded)
    predictor = build_predictor(cfg, prepare_for_inference(model), device=run.device)
    return [_track_source(cfg, predictor, name, run=run, video=video) for name in sources]


def _track_source(cfg: CfgNode, predictor: Predictor, name: str, *, run: Run, video: bool) -> Path:
    with ExitStack() as stack:
        source = stack.enter_context(open_frames(name))
        path = run.output / f"{source.name}.txt"
        picture = stack.enter_context(TrackVideo(run.output / source.name, source.frame_rate)) if video else None
        temporary = stack.enter_context(replacing(path))
        file = stack.enter_context(temporary.open("w", encoding="utf-8"))
        bar = stack.enter_context(tqdm(total=source.length, desc=source.name, unit="frame", disable=None, leave=False))
        seen = _Seen()
        tracker = build_tracker(cfg, frame_rate=source.frame_rate)
        detected = seen.watch(source, predictor)
        try:
            for tracks in track_sequence(detected, tracker, filters=build_filters(cfg)):
                file.writelines(format_results(to_table([tracks], num_classes=cfg.MODEL.NUM_CLASSES)))
                file.flush()
                seen.add(tracks)
                bar.update()
                if picture is not None and seen.frame is not None:
                    picture.add(seen.frame.image, tracks.tracks)
        except KeyboardInterrupt:
            run.log.info(f"{source.name}: interrupted after {seen.frames} frames")
    run.log.info(f"{source.name}: {seen} -> {path}")
    if source.note:
        run.log.info(source.note)
    return path


@dataclass
class _Seen:
    """Counts of one sequence, and the frame under way for whoever draws it."""

    started: float = field(default_factory=time.perf_counter)
    frame: Frame | None = None
    frames: int = 0
    rows: int = 0
    dropped: int = 0

    def watch(self, frames: Iterable[Frame], predictor: Predictor) -> Iterator[tuple[int, Detections]]:
        """Yield each frame's number and detections, keeping the frame at hand."""
        for frame in frames:
            self.frame = frame
            yield frame.index, predictor(frame.image)

    def add(self, tracks: FrameTracks) -> None:
        """Count one frame's output."""
        self.frames += 1
        self.rows += len(tracks.tracks)
        self.dropped += tracks.dropped_small + tracks.dropped_wide

    def __str__(self) -> str:
        filtered = f", {self.dropped} boxes filtered (TRACKER.MIN_AREA, MAX_ASPECT)" if self.dropped else ""
        speed = self.frames / (time.perf_counter() - self.started)
        return f"{self.frames} frames, {self.rows} boxes{filtered} ({speed:.1f} frames/s)"
