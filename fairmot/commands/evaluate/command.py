"""Command `fairmot eval`: scores of result files, or of a model that tracks the sequences first."""

import argparse
import json
import math
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fairmot.commands.track.options import DEFAULTS, TrackOptions, add_output_options, given_options, options_of
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.evaluation.build import build_evaluator
from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.motmetrics_backend import format_events
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.report import format_table
from fairmot.evaluation.sequences import SequenceSet, add_results, read_ground_truth
from fairmot.formats.atomic import write_text
from fairmot.structures.report import EvalReport
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
    parser.add_argument("--gt", type=Path, required=True, metavar="DIR", help="MOTChallenge sequence or folder of them")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for scores and results")
    add_output_options(parser.add_argument_group("with --weights"))
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")


def main(arguments: argparse.Namespace) -> int:
    """Run `fairmot eval`: score, write the files, and print protocol, table and paths."""
    if (arguments.results is None) == (arguments.weights is None):
        raise InputError("give either --results (score existing files) or --weights (track, then score)")
    if arguments.weights is not None and arguments.config is None:
        raise InputError("--weights needs --config: the configuration that the model was trained with")
    options, overrides = options_of(arguments)
    for name in given_options(options) if arguments.results is not None else ():
        raise InputError(f"{name}: only with --weights; --results scores existing files")
    if options.outputs.stdout:
        raise InputError("--json -: the table is written to standard output; --json writes files under --output")
    cfg = load_cfg(arguments.config, overrides)
    ground_truth, weights, output = arguments.gt, arguments.weights, arguments.output
    if weights is not None:
        report = evaluate_weights(cfg, weights=weights, ground_truth=ground_truth, output=output, options=options)
    else:
        report = evaluate_results(cfg, results=arguments.results, ground_truth=ground_truth, output=output)
    _print_report(report, output)
    if cfg.EVAL.REID:
        from fairmot.commands.evaluate.reid import evaluate_reid  # deferred: imports torch

        scores = evaluate_reid(cfg, weights=weights, ground_truth=ground_truth, output=output)
        rates = ", ".join(f"{_percent(rate)} at FAR {far:g}" for far, rate in scores.rates.items())
        pairs = f"{scores.genuine} genuine and {scores.impostor} impostor pairs of {scores.boxes} boxes"
        print(f"re-ID at ground-truth boxes: TPR {rates} ({pairs}); wrote {output / 'reid.json'}")
    return 0


def evaluate_results(cfg: CfgNode, *, results: Path, ground_truth: Path, output: Path) -> EvalReport:
    """Score `results/<sequence>.txt` against the sequences under `ground_truth`.

    Writes `output/metrics.json` and, with EVAL.EVENTS, `output/events/<sequence>.csv` (for several DATA.CLASSES
    `<sequence>/<class>.csv`). Raises InputError, with nothing written, where a file is missing or cannot be scored.
    """
    if cfg.EVAL.REID:
        raise InputError("EVAL.REID: result files have no embeddings; give --weights, not --results, or set it False")
    _require_folder(output)
    return _score(cfg, add_results(read_ground_truth(ground_truth), results), output)


def evaluate_weights(
    cfg: CfgNode, *, weights: Path, ground_truth: Path, output: Path, options: TrackOptions = DEFAULTS
) -> EvalReport:
    """Track every sequence under `ground_truth` with `weights` into `output/results`, then score the results.

    options: tracking options and additional output files. Ground truth and protocol are checked before tracking.
    """
    from fairmot.commands.track.command import track  # deferred: imports torch

    _require_folder(output)
    sequence_set = read_ground_truth(ground_truth)
    protocol = choose_protocol(sequence_set.sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES).protocol
    for sequence in sequence_set.sequences:
        check_sequence(sequence, protocol)
    track(cfg, weights=weights, source=ground_truth, output=output / "results", options=options)
    return _score(cfg, add_results(sequence_set, output / "results"), output)


def _percent(rate: float) -> str:
    return "-" if math.isnan(rate) else f"{100 * rate:.1f} %"


def _require_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the scores")


def _score(cfg: CfgNode, sequence_set: SequenceSet, output: Path) -> EvalReport:
    bar = partial(tqdm, desc="scoring", unit="sequence", leave=False, disable=None)
    report = build_evaluator(cfg).evaluate(sequence_set.sequences, progress=bar)
    for name, events in report.events.items():
        write_text(output / "events" / f"{name}.csv", format_events(events))
    write_text(output / "metrics.json", json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
    return replace(report, notes=sequence_set.notes)


def _print_report(report: EvalReport, output: Path) -> None:
    for note in report.notes:
        print(f"fairmot eval: {note}", file=sys.stderr)
    print(f"protocol {report.protocol} ({report.reason}), scores by {report.backend}")
    print(format_table(report))
    events = f", {output / 'events'}" if report.events else ""
    print(f"wrote {output / 'metrics.json'}{events}")
