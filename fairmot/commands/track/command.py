"""Command `fairmot track`: tracks of videos, image folders, cameras and streams."""

import argparse
import sys
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path

from fairmot.commands.predictor import load_file
from fairmot.commands.run import start_run
from fairmot.commands.track.options import DEFAULTS, TrackOptions, add_output_options, given_options, options_of
from fairmot.commands.track.output_checks import require_unique_names
from fairmot.commands.track.pipeline import TrackContext, track_source
from fairmot.commands.track.public_detections import require_public_files
from fairmot.commands.track.replay import replay
from fairmot.commands.track.window import PreviewWindow, require_screen
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_predictor
from fairmot.formats.download import locate
from fairmot.formats.text_io import LineStream
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.utils.errors import InputError
from fairmot.video.source import find_sources

EXAMPLES = """\
fairmot track --config configs/quickstart.yaml --weights best.pt --input street.mp4 --output runs/street --video
fairmot track --config configs/quickstart.yaml --weights best.pt --input 0 --output runs/camera --show
fairmot track --config configs/quickstart.yaml --weights best.pt --input MOT17/train --output runs/mot17 --save-cache
fairmot track --replay runs/mot17/MOT17-02-SDP.npz --output result.txt TRACKER.PRESET byte
"""
NOT_REPLAYED = frozenset({"--video", "--show", "--save-cache", "--public-detections"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint (.pt, .pth)")
    parser.add_argument("--input", metavar="SRC", help="sequence(s), image folder, video, camera or stream URL")
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="folder, or file of --replay")
    parser.add_argument("--replay", type=Path, metavar="CACHE", help="run the tracker alone on a detection cache")
    add_output_options(parser)
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q or Esc quits")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool; Interrupted after a Ctrl-C or SIGTERM, with all files finished."""
    options, overrides = options_of(arguments)
    cfg = load_cfg(arguments.config, overrides)
    output, outputs = arguments.output, options.outputs
    stdout = LineStream() if outputs.stdout else None
    with redirect_stdout(sys.stderr) if stdout else nullcontext():  # standard output has JSON lines only
        if arguments.replay is not None:
            for name in filter(NOT_REPLAYED.__contains__, given_options(options)):
                raise InputError(f"{name}: not with --replay, because a detection cache has no images")
            replay(cfg, cache=arguments.replay, output=output, outputs=outputs, stdout=stdout)
        elif arguments.weights is None or arguments.input is None:
            raise InputError("--weights and --input are required (or --replay CACHE)")
        else:
            weights, source = arguments.weights, arguments.input
            track(cfg, weights=weights, source=source, output=output, options=options, stdout=stdout)
    return 0


def track(
    cfg: CfgNode,
    *,
    weights: Path,
    source: str | Path,
    output: Path,
    options: TrackOptions = DEFAULTS,
    stdout: LineStream | None = None,
) -> list[Path]:
    """Track every sequence of `source` with a new tracker; write `<output>/<sequence>.txt` and return the paths.

    Column 8 is the class, 1 for the first of DATA.CLASSES; with a single class it is -1. stdout: stream of JSON lines.

    A result file is `<sequence>.txt.part` until its sequence is complete; a killed run leaves that file. Ctrl-C and
    SIGTERM end the run with files of the frames tracked so far; then Interrupted is raised, except for a camera or
    stream, which only a signal can end.
    """
    if options.show:
        require_screen()
    sources = find_sources(source)
    require_unique_names(sources)
    if options.public_detections is not None:
        require_public_files(options.public_detections, sources)
    model = build_model(cfg)
    loaded = load_file(model, locate(weights))
    run = start_run(cfg, output)
    run.log.info(loaded)
    predictor = build_predictor(cfg, prepare_for_inference(model.to(run.device)), device=run.device)
    paths = []
    with ExitStack() as stack:
        window = stack.enter_context(PreviewWindow("fairmot track")) if options.show else None
        context = TrackContext(predictor, run, options=options, stdout=stdout, window=window)
        for address in sources:
            path, is_ended = track_source(cfg, context, address)
            paths.append(path)
            if is_ended:
                break
    return paths
