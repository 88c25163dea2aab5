"""`fairmot eval`: score result files, or track with a model and score what it gives."""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from fairmot.commands.track.options import (
    DEFAULTS,
    TrackOptions,
    add_output_options,
    options_of,
    refuse_tracking_options,
)
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.evaluation.build import build_evaluator
from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.motmetrics_backend import format_events
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.report import format_table
from fairmot.evaluation.sequences import SequenceSet, add_results, read_truths
from fairmot.formats.atomic import write_text
from fairmot.structures.report import EvalReport, ScoredSequence
from fairmot.utils.errors import InputError

EXAMPLES = """\
fairmot eval --results runs/mot17 --gt MOT17/train --output runs/scores EVAL.PROTOCOL mot17
fairmot eval --config configs/quickstart.yaml --weights best.pt --gt MOT17/train --output runs/scores --video
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `fairmot eval`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration; required with --weights")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder of result files <sequence>.txt to score")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint to track with, instead of --results")
    parser.add_argument(
        "--gt", type=Path, required=True, metavar="DIR", help="a MOTChallenge sequence, or a folder of them"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for metrics.json, events and results"
    )
    add_output_options(parser.add_argument_group("with --weights"))
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration, e.g. EVAL.PROTOCOL mot17")


def main(arguments: argparse.Namespace) -> int:
    """Run `fairmot eval`: score, write, and print the rules, the table and where the numbers are."""
    if (arguments.results is None) == (arguments.weights is None):
        raise InputError("give either --results (score files that exist) or --weights (track, then score)")
    if arguments.weights is not None and arguments.config is None:
        raise InputError("--weights needs --config: the configuration that the model was trained with")
    options, overrides = options_of(arguments)
    if arguments.results is not None:
        refuse_tracking_options(options)
    if options.outputs.stdout:
        raise InputError("--json -: the table goes to standard output; --json writes files under --output")
    cfg = load_cfg(arguments.config, overrides)
    truth, output = arguments.gt, arguments.output
    if arguments.weights is not None:
        report = evaluate_weights(cfg, weights=arguments.weights, truth=truth, output=output, options=options)
    else:
        report = evaluate_results(cfg, results=arguments.results, truth=truth, output=output)
    _print_report(report, output)
    if cfg.EVAL.REID:
        print(_measure_reid(cfg, weights=arguments.weights, truth=truth, output=output))
    return 0


def evaluate_results(cfg: CfgNode, *, results: Path, truth: Path, output: Path) -> EvalReport:
    """Score `results/<sequence>.txt` against the sequences under `truth`.

    Writes `output/metrics.json` and, with EVAL.EVENTS, `output/events/<sequence>.csv` (of several DATA.CLASSES
    `<sequence>/<class>.csv`). Raises InputError, with nothing written, where a file is missing or cannot be scored.
    """
    if cfg.EVAL.REID:
        raise InputError(
            "EVAL.REID: result files hold no embeddings; give --weights instead of --results, or set it False"
        )
    _require_folder(output)
    return _score(cfg, add_results(read_truths(truth), results), output)


def evaluate_weights(
    cfg: CfgNode, *, weights: Path, truth: Path, output: Path, options: TrackOptions = DEFAULTS
) -> EvalReport:
    """Track every sequence under `truth` with `weights` into `output/results`, then score as `evaluate_results`.

    options: how tracking goes, and what it writes beside the results: videos, JSON lines, decisions, caches.
    The truth is read, and the protocol chosen, before the tracking: what is wrong with them shows at once.
    """
    from fairmot.commands.track.command import track  # here: scoring result files must not wait for torch

    _require_folder(output)
    truths = read_truths(truth)
    protocol = choose_protocol(truths.sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES).protocol
    for sequence in truths.sequences:
        check_sequence(sequence, protocol)
    track(cfg, weights=weights, source=truth, output=output / "results", options=options)
    return _score(cfg, add_results(truths, output / "results"), output)


def _measure_reid(cfg: CfgNode, *, weights: Path, truth: Path, output: Path) -> str:
    """Write `output/reid.json` and return a line about it."""
    from fairmot.commands.evaluate.reid import evaluate_reid  # here: as above

    scores = evaluate_reid(cfg, weights=weights, truth=truth, output=output)
    rates = ", ".join(f"{_percent(rate)} at FAR {far:g}" for far, rate in scores.rates.items())
    pairs = f"{scores.genuine} genuine and {scores.impostor} impostors' pairs of {scores.boxes} boxes"
    return f"re-ID at the true boxes: TPR {rates} ({pairs}); wrote {output / 'reid.json'}"


def _percent(rate: float) -> str:
    return "-" if math.isnan(rate) else f"{100 * rate:.1f} %"


def _require_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: a file, where a folder for the scores is wanted")


def _score(cfg: CfgNode, scored: SequenceSet, output: Path) -> EvalReport:
    report = build_evaluator(cfg).evaluate(scored.sequences, progress=_progress)
    for name, events in report.events.items():
        write_text(output / "events" / f"{name}.csv", format_events(events))
    write_text(output / "metrics.json", json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
    return replace(report, notes=scored.notes)


def _progress(sequences: Sequence[ScoredSequence]) -> Iterable[ScoredSequence]:
    """A bar on stderr, none where that is no terminal."""
    return tqdm(sequences, desc="scoring", unit="sequence", leave=False, disable=None)


def _print_report(report: EvalReport, output: Path) -> None:
    for note in report.notes:
        print(f"fairmot eval: {note}", file=sys.stderr)
    print(f"protocol {report.protocol} ({report.reason}), scores by {report.backend}")
    print(format_table(report))
    events = f", {output / 'events'}" if report.events else ""
    print(f"wrote {output / 'metrics.json'}{events}")
