"""`fairmot track`: from images to tracks."""

import argparse
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

from fairmot.commands.predictor import load_file
from fairmot.commands.run import start_run
from fairmot.commands.track.interrupt import Interruption
from fairmot.commands.track.options import DEFAULTS, TrackOptions, add_output_options, options_of, require_replayable
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint (.pt, .pth)")
    parser.add_argument(
        "--input", metavar="SRC", help="sequence(s), image folder, video file, camera index or stream URL"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="PATH", help="folder for results; with --replay a file"
    )
    parser.add_argument(
        "--replay", type=Path, metavar="CACHE", help="run the tracker alone on a detection cache (.npz)"
    )
    add_output_options(parser)
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q or Esc quits")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool; Interrupted where Ctrl-C or SIGTERM ended it with its files whole."""
    options, overrides = options_of(arguments)
    cfg = load_cfg(arguments.config, overrides)
    with ExitStack() as stack:
        stdout = LineStream() if options.outputs.stdout else None
        if stdout is not None:  # all else goes to stderr
            stack.enter_context(redirect_stdout(sys.stderr))
        _run(cfg, arguments, options=options, stdout=stdout)
    return 0


def _run(cfg: CfgNode, arguments: argparse.Namespace, *, options: TrackOptions, stdout: LineStream | None) -> None:
    if arguments.replay is not None:
        require_replayable(options)
        replay(cfg, cache=arguments.replay, output=arguments.output, outputs=options.outputs, stdout=stdout)
        return
    if arguments.weights is None or arguments.input is None:
        raise InputError("--weights and --input are needed (or --replay CACHE)")
    weights, source, output = arguments.weights, arguments.input, arguments.output
    track(cfg, weights=weights, source=source, output=output, options=options, stdout=stdout)


def track(
    cfg: CfgNode,
    *,
    weights: Path,
    source: str | Path,
    output: Path,
    options: TrackOptions = DEFAULTS,
    stdout: LineStream | None = None,
) -> list[Path]:
    """Track every sequence that `source` names; write `<output>/<sequence>.txt` and return the paths.

    With several classes column 8 is the class, 1 for the first of DATA.CLASSES; with one it is -1. options: what else
    is written, and how; stdout: where JSON lines go that are not for a file. Each sequence gets a new tracker.

    A result file is `<sequence>.txt.part` until its sequence is done, and what a killed run leaves. Ctrl-C or SIGTERM
    finish the files with the frames tracked so far, and then raise Interrupted; not where a camera or stream, which has
    no end of its own, was tracked.
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
    with ExitStack() as stack:
        window = stack.enter_context(PreviewWindow("fairmot track")) if options.show else None
        tracking = TrackContext(cfg, predictor, run, options=options, stdout=stdout, window=window)
        return _track_all(tracking, sources)


def _track_all(tracking: TrackContext, sources: list[str]) -> list[Path]:
    """Track one source after the other, until somebody ends the run."""
    paths = []
    for name in sources:
        interruption = Interruption()
        done = track_source(tracking, name, interruption)
        paths.append(done.path)
        if not done.is_endless:
            interruption.check()
        if done.is_ended:
            break
    return paths
