"""Options of `fairmot track` and `fairmot eval --weights`; imports no torch."""

import argparse
from dataclasses import dataclass, field
from typing import Literal, get_args

PublicMode = Literal["replace", "initiate"]


@dataclass(frozen=True)
class Outputs:
    """Output files in addition to `<sequence>.txt`.

    video: `<sequence>.mp4` (or .webm) and `<sequence>.png`, a contact sheet. json: `<sequence>.jsonl`, tracks as JSON
    lines; stdout: JSON lines to standard output instead. event_log: `<sequence>.events.jsonl`, the tracker's events.
    cache: `<sequence>.npz`, the detections.
    """

    video: bool = False
    json: bool = False
    stdout: bool = False
    event_log: bool = False
    cache: bool = False


@dataclass(frozen=True)
class TrackOptions:
    """Options of a tracking run.

    public_detections: `det`, a folder or a file; None for the network's own. public_mode: `replace` or `initiate`.
    show: open a window. pipelined: run detection, tracking and writing in parallel threads.
    """

    outputs: Outputs = field(default_factory=Outputs)
    public_detections: str | None = None
    public_mode: PublicMode = "initiate"
    show: bool = False
    pipelined: bool = True


DEFAULTS = TrackOptions()


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Declare the options that tracking and evaluating share, on a parser or a group of one."""
    parser.add_argument("--video", action="store_true", help="also write an annotated video and a contact sheet")
    parser.add_argument("--json", action="store_true", help="also write tracks as JSON lines; --json -: to stdout")
    parser.add_argument("--event-log", action="store_true", help="also write the tracker's events as JSON lines")
    parser.add_argument("--save-cache", action="store_true", help="also write the detections (.npz) for --replay")
    parser.add_argument("--public-detections", metavar="SRC", help="public detections: det (own), folder or file")
    use = "replace the network's detections, or initiate: start tracks only at public detections"
    parser.add_argument("--public-mode", choices=get_args(PublicMode), default="initiate", help=use)
    parser.add_argument("--no-pipeline", action="store_true", help="detect, track and write in a single thread")


def options_of(arguments: argparse.Namespace) -> tuple[TrackOptions, list[str]]:
    """Return the parsed options and the configuration overrides.

    The parser takes the dash of `--json -` for an override: one at the position of a key.
    """
    overrides = list(arguments.overrides)
    dashes = [index for index in range(0, len(overrides), 2) if overrides[index] == "-"]
    to_stdout = bool(arguments.json and dashes)
    if to_stdout:
        del overrides[dashes[0]]
    options = TrackOptions(
        outputs=Outputs(
            video=arguments.video,
            json=arguments.json and not to_stdout,
            stdout=to_stdout,
            event_log=arguments.event_log,
            cache=arguments.save_cache,
        ),
        public_detections=arguments.public_detections,
        public_mode=arguments.public_mode,
        show=getattr(arguments, "show", False),
        pipelined=not arguments.no_pipeline,
    )
    return options, overrides


def given_options(options: TrackOptions) -> list[str]:
    """Return the names of the options that differ from their defaults."""
    outputs = options.outputs
    differs = {
        "--video": outputs.video,
        "--json": outputs.json or outputs.stdout,
        "--event-log": outputs.event_log,
        "--save-cache": outputs.cache,
        "--public-detections": options.public_detections is not None,
        "--public-mode": options.public_mode != DEFAULTS.public_mode,
        "--show": options.show,
        "--no-pipeline": not options.pipelined,
    }
    return [name for name, is_given in differs.items() if is_given]
