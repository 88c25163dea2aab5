"""`fairmot tune`: search tracker keys over detection caches, against ground truth."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from fairmot.commands.tune.data import TuneData, read_tune_data
from fairmot.commands.tune.report import BEST, PICTURE, TRIALS, TuneResult, format_summary, write_result
from fairmot.commands.tune.search_space import Space, choose_space
from fairmot.commands.tune.study import (
    HELD_OUT,
    STUDY,
    TUNED,
    FinishedTrial,
    best_of,
    finished,
    importances,
    open_study,
    search,
)
from fairmot.commands.tune.trial import Scores, TrialBench
from fairmot.commands.tune.workers import Submit, workers
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import available_cores

METRICS = ("HOTA", "IDF1", "MOTA")


@dataclass(frozen=True)
class TuneOptions:
    """What to search.

    trials: in all, those of earlier runs of the same study included. processes: 0 = one a core.
    metric: of METRICS, over all tuned sequences together.
    keys: of the TRACKER section, or `all`; empty: the thresholds that matter. holdout: see `read_tune_data`.
    resume: go on with the study in the output folder.
    """

    trials: int = 200
    processes: int = 2
    metric: str = "HOTA"
    keys: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    resume: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tool's options."""
    usual = TuneOptions()
    parser.add_argument("--config", type=Path, help="YAML file: the starting point, which is the first trial")
    parser.add_argument(
        "--caches", type=Path, nargs="+", required=True, help="detection caches <sequence>.npz, or folders of them"
    )
    parser.add_argument("--gt", type=Path, required=True, help="a MOTChallenge sequence, or a folder of them")
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {BEST}, {TRIALS}, {PICTURE}, {STUDY}")
    parser.add_argument("--trials", type=int, default=usual.trials, help="trials in all, earlier runs included")
    parser.add_argument("--processes", type=int, default=usual.processes, help="trials side by side; 0 = one a core")
    parser.add_argument("--metric", choices=METRICS, default=usual.metric, help="score to raise")
    parser.add_argument(
        "--keys", nargs="+", default=[], metavar="KEY", help="TRACKER keys to search, or all (default: thresholds)"
    )
    parser.add_argument(
        "--holdout",
        nargs="+",
        default=[],
        metavar="SEQUENCE",
        help="sequences not to tune on, or a share (0: none); default: a quarter of several, the later half of one",
    )
    parser.add_argument("--resume", action="store_true", help=f"go on with OUTPUT/{STUDY}")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration; before --keys and --holdout")


def main(arguments: argparse.Namespace) -> int:
    """Run the tool."""
    options = TuneOptions(
        trials=arguments.trials,
        processes=arguments.processes,
        metric=arguments.metric,
        keys=tuple(arguments.keys),
        holdout=tuple(arguments.holdout),
        resume=arguments.resume,
    )
    cfg = load_cfg(arguments.config, arguments.overrides)
    result = tune(cfg, options, caches=arguments.caches, truth=arguments.gt, output=arguments.output)
    print(format_summary(result))
    print(f"wrote {', '.join(str(arguments.output / name) for name in (BEST, TRIALS, PICTURE))}")
    return 0


def tune(cfg: CfgNode, options: TuneOptions, *, caches: list[Path], truth: Path, output: Path) -> TuneResult:
    """Search TRACKER keys from `cfg` on; write the best preset, all trials and a picture into `output`, return them.

    The held-out part is scored twice, at the end: with the start and with the best of the tuned part.
    Raises InputError, with nothing written, where options, caches or truth are wrong.
    """
    _check(options, output)
    tree = cfg_to_dict(cfg)
    space = choose_space(tree["TRACKER"], options.keys)
    data = read_tune_data(cfg, caches=caches, truth=truth, holdout=options.holdout, with_camera=_may_move(space))
    for warning in data.warnings:
        print(f"fairmot tune: warning: {warning}", file=sys.stderr)
    bench = TrialBench(tree, {TUNED: data.tuned, HELD_OUT: data.held_out}, data.protocol)
    result = _search(bench, space, options, output=output, task=_task(options, tree, space, data))
    names = {TUNED: [piece.name for piece in data.tuned], HELD_OUT: [piece.name for piece in data.held_out]}
    write_result(output, result, sequences=names)
    return result


def _check(options: TuneOptions, output: Path) -> None:
    if options.trials < 1:
        raise InputError(f"--trials {options.trials}: at least 1 is wanted")
    if options.processes < 0:
        raise InputError(f"--processes {options.processes}: 0 (one a core) or more is wanted")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: a file, where a folder is wanted")


def _may_move(space: Space) -> bool:
    """Whether a trial may take the camera's motion into account."""
    is_searched = any(key.name == "CAMERA_MOTION" for key in space.keys)
    return is_searched or space.start["CAMERA_MOTION"] != "none"


def _task(options: TuneOptions, tree: dict[str, Any], space: Space, data: TuneData) -> dict[str, Any]:
    """Return what a study is about, in words that a message can use: a study goes on only with the same."""
    return {
        "metric": options.metric,
        "keys": space.to_dict(),
        "TRACKER": tree["TRACKER"],
        "data": data.digests(),
        "rules": [data.protocol, tree["DATA"]["CLASSES"]],
        "SEED": tree["SEED"],
    }


def _search(bench: TrialBench, space: Space, options: TuneOptions, *, output: Path, task: dict[str, Any]) -> TuneResult:
    processes, seed, metric = options.processes or available_cores(), task["SEED"], options.metric
    path = output / STUDY
    with workers(bench, processes) as submit, open_study(path, task, resume=options.resume) as study:
        with _bar(options.trials) as bar, _explained(path):
            done = search(
                study,
                space,
                submit,
                metric=metric,
                trials=options.trials,
                seed=seed,
                ahead=processes + (processes > 1),  # one waits, so that no process does
                tell=_Progress(bar, metric, finished(study, space)),
            )
        best = best_of(done, metric)
        start_scores, best_scores = _compare(bench, submit, done[0], best)
        return TuneResult(metric, space, done, best, start_scores, best_scores, importances(study))


def _bar(trials: int) -> "tqdm[Any]":
    """A bar on stderr, none where that is no terminal."""
    return tqdm(total=trials, desc="tuning", unit="trial", leave=False, disable=None)


@contextmanager
def _explained(study: Path) -> Iterator[None]:
    """Say how an interrupted search goes on, and a disk that refuses the study in one line."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"fairmot tune: {study} keeps the finished trials: go on with --resume", file=sys.stderr)
        raise
    except (StorageInternalError, SQLAlchemyError) as error:
        raise InputError(f"{study}: cannot be written: {str(error.__cause__ or error).splitlines()[0]}") from None


def _compare(
    bench: TrialBench, submit: Submit, start: FinishedTrial, best: FinishedTrial
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Return the scores of start and best by part; those of the held-out part are taken now."""
    found = {TUNED: start.scores}, {TUNED: best.scores}
    if bench.parts[HELD_OUT]:
        waiting = [submit(HELD_OUT, trial.values) for trial in (start, best)]
        for scores, wait in zip(found, waiting, strict=True):
            scores[HELD_OUT] = wait()
    return found


class _Progress:
    """Moves a bar on, which shows the best score and the start's, in percent."""

    def __init__(self, bar: "tqdm[Any]", metric: str, earlier: list[FinishedTrial]) -> None:
        self._bar = bar
        self._metric = metric
        self._scores = [trial.scores[metric] for trial in earlier]
        bar.update(len(earlier))

    def __call__(self, done: FinishedTrial) -> None:
        self._scores.append(done.scores[self._metric])
        best, start = f"{100 * max(self._scores):.2f}", f"{100 * self._scores[0]:.2f}"
        self._bar.set_postfix({self._metric: best, "start": start}, refresh=False)
        self._bar.update()
