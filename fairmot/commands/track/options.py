"""What `fairmot track` and `fairmot eval --weights` can do beside the result files; without torch."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fairmot.utils.errors import InputError

STDOUT = "-"


@dataclass(frozen=True)
class Outputs:
    """What is written beside `<sequence>.txt`.

    video: `<sequence>.mp4` (or .webm) and `<sequence>.png`, a contact sheet. json: `<sequence>.jsonl`, tracks for
    programs; stdout: to standard output instead. decisions: `<sequence>.events.jsonl`, what the tracker decided.
    cache: `<sequence>.npz`, the detections.
    """

    video: bool = False
    json: bool = False
    stdout: bool = False
    event_log: bool = False
    cache: bool = False


@dataclass(frozen=True)
class TrackOptions:
    """How a tracking run goes.

    detections: where public detections are, `det`, a folder or a file; None for the network's own. public: how they
    are used, `replace` or `initiate`. show: open a window. threads: look, track and write side by side.
    """

    outputs: Outputs = field(default_factory=Outputs)
    public_detections: str | None = None
    public_mode: str = "initiate"
    show: bool = False
    pipelined: bool = True


ROWS_ALONE = Outputs()
DEFAULTS = TrackOptions()


class Arguments(NamedTuple):
    """Options, and the overrides that are left once `--json -` has its dash."""

    options: TrackOptions
    overrides: list[str]


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Declare the options that tracking and evaluating share, on a parser or a group of one."""
    parser.add_argument("--video", action="store_true", help="also write an annotated video and a contact sheet")
    parser.add_argument(
        "--json",
        action="store_true",
        help="also write tracks as JSON lines, <sequence>.jsonl; --json - writes to standard output",
    )
    parser.add_argument(
        "--event-log", action="store_true", help="also write the tracker's decisions, <sequence>.events.jsonl"
    )
    parser.add_argument(
        "--save-cache", action="store_true", help="also write the detections, <sequence>.npz, for --replay"
    )
    parser.add_argument(
        "--public-detections", metavar="SRC", help="public detections: det (each sequence's own), a folder or a file"
    )
    parser.add_argument(
        "--public-mode",
        choices=("replace", "initiate"),
        default="initiate",
        help="use of public detections: replace the network's, or initiate (tracks start only at public detections)",
    )
    parser.add_argument(
        "--no-pipeline",
        action="store_true",
        help="run detection, tracking and writing one after another instead of in parallel threads",
    )


def options_of(arguments: argparse.Namespace) -> Arguments:
    """Return what the parsed options ask for.

    `--json -` is for standard output: the parser takes the dash for the name of a key, where it can be none.
    """
    overrides = list(arguments.overrides)
    place = _dash(overrides) if arguments.json else None
    if place is not None:
        del overrides[place]
    outputs = Outputs(
        video=arguments.video,
        json=arguments.json and place is None,
        stdout=place is not None,
        event_log=arguments.event_log,
        cache=arguments.save_cache,
    )
    options = TrackOptions(
        outputs=outputs,
        public_detections=arguments.public_detections,
        public_mode=arguments.public_mode,
        show=getattr(arguments, "show", False),
        pipelined=not arguments.no_pipeline,
    )
    return Arguments(options, overrides)


def _dash(overrides: Sequence[Any]) -> int | None:
    """Return where a dash stands in a key's place."""
    places = [place for place in range(0, len(overrides), 2) if overrides[place] == STDOUT]
    return places[0] if places else None


def require_replayable(options: TrackOptions) -> None:
    """Raise InputError for what a detection cache cannot give."""
    for name in _asked_for(options):
        if name in ("--video", "--show", "--save-cache", "--public-detections"):
            raise InputError(f"{name}: not with --replay, whose cache holds detections and no pictures")


def refuse_tracking_options(options: TrackOptions) -> None:
    """Raise InputError where result files are scored, and an option of tracking is given."""
    for name in _asked_for(options):
        raise InputError(f"{name}: only with --weights; with --results nothing is tracked")


def _asked_for(options: TrackOptions) -> list[str]:
    """Return the names of the options that differ from what is done without any."""
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
    return [name for name, is_other in differs.items() if is_other]
