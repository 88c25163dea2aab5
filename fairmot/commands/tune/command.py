"""Job `tune`: search of tracker keys over detection caches, against ground truth."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fairmot.commands.tune.data import TuneData, read_tune_data
from fairmot.commands.tune.report import BEST, HISTORY, TRIALS, TuneResult, format_summary, write_result
from fairmot.commands.tune.search_space import SearchSpace, choose_space
from fairmot.commands.tune.study import STUDY, finished, open_study, search
from fairmot.commands.tune.trial import HELD_OUT, TUNED, Objective, Scores, workers
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import available_cores

METRICS = ("HOTA", "IDF1", "MOTA")


@dataclass(frozen=True)
class TuneOptions:
    """Options of a search.

    trials: total number, earlier runs of the same study included. processes: concurrent trials, 0 = one per core.
    metric: of METRICS, over all tuned sequences together. keys: of the TRACKER section, or `all`; empty: the thresholds
    in use. holdout: see `read_tune_data`. resume: continue the study in the output folder.
    """

    trials: int = 200
    processes: int = 2
    metric: str = "HOTA"
    keys: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    resume: bool = False


EXAMPLES = """\
fairmot tune --config configs/quickstart.yaml --caches runs/mot17 --gt MOT17/train --output runs/tune
fairmot tune --caches runs/mot17 --gt MOT17/train --output runs/tune --keys CONF_THRESHOLD BUFFER --trials 50
fairmot tune --caches runs/mot17 --gt MOT17/train --output runs/tune --trials 400 --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `fairmot tune`."""
    add, defaults = parser.add_argument, TuneOptions()
    files = "detection caches <sequence>.npz, or folders of them"
    add("--config", type=Path, metavar="FILE", help="YAML configuration of the first trial")
    add("--caches", type=Path, nargs="+", required=True, metavar="PATH", help=files)
    add("--gt", type=Path, required=True, metavar="DIR", help="a MOTChallenge sequence, or a folder of them")
    folder = f"folder for {BEST}, {TRIALS}, figures and {STUDY}"
    add("--output", type=Path, required=True, metavar="DIR", help=folder)
    total = "total number of trials, including earlier runs"
    add("--trials", type=int, metavar="N", default=defaults.trials, help=total)
    parallel = "trials run in parallel; 0 = one per core"
    add("--processes", type=int, metavar="N", default=defaults.processes, help=parallel)
    add("--metric", choices=METRICS, default=defaults.metric, help="score to maximize")
    keys = "TRACKER keys to search, or all; else the thresholds in use"
    add("--keys", nargs="+", default=[], metavar="KEY", help=keys)
    held_out = "held-out sequences, or a fraction (0: none); default: a quarter of several, the second half of one"
    add("--holdout", nargs="+", default=[], metavar="SEQUENCE", help=held_out)
    add("--resume", action="store_true", help=f"continue OUTPUT/{STUDY}")
    overrides = "configuration overrides; before --keys and --holdout"
    add("overrides", nargs="*", metavar="KEY VALUE", help=overrides)


def main(arguments: argparse.Namespace) -> int:
    """Run the job."""
    options = TuneOptions(
        trials=arguments.trials,
        processes=arguments.processes,
        metric=arguments.metric,
        keys=tuple(arguments.keys),
        holdout=tuple(arguments.holdout),
        resume=arguments.resume,
    )
    cfg = load_cfg(arguments.config, arguments.overrides)
    result = tune(cfg, options, caches=arguments.caches, ground_truth=arguments.gt, output=arguments.output)
    print(format_summary(result))
    print(f"wrote {', '.join(str(arguments.output / name) for name in (BEST, TRIALS, HISTORY))}")
    return 0


def tune(cfg: CfgNode, options: TuneOptions, *, caches: list[Path], ground_truth: Path, output: Path) -> TuneResult:
    """Search TRACKER keys, starting from `cfg`; write the best configuration, all trials and figures to `output`.

    The held-out sequences are scored twice, at the end: with the start and with the best on the tuned ones.
    Raises InputError, with nothing written, for wrong options, caches or ground truth.
    """
    if options.trials < 1:
        raise InputError(f"--trials {options.trials}: must be at least 1")
    if options.processes < 0:
        raise InputError(f"--processes {options.processes}: must be 0 (one per core) or more")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: a file, expected a folder")
    tree = cfg_to_dict(cfg)
    space = choose_space(tree["TRACKER"], options.keys)
    needs_motion = space.start["CAMERA_MOTION"] != "none" or any(key.name == "CAMERA_MOTION" for key in space.keys)
    data = read_tune_data(
        cfg, caches=caches, ground_truth=ground_truth, holdout=options.holdout, with_camera_motion=needs_motion
    )
    for warning in data.warnings:
        print(f"fairmot tune: warning: {warning}", file=sys.stderr)
    objective = Objective(tree, {TUNED: data.tuned, HELD_OUT: data.held_out}, data.protocol)
    result = _search(objective, space, options, output=output, task=_task(options, tree, space, data))
    names = {TUNED: [part.name for part in data.tuned], HELD_OUT: [part.name for part in data.held_out]}
    write_result(output, result, sequences=names)
    return result


def _task(options: TuneOptions, tree: dict[str, Any], space: SearchSpace, data: TuneData) -> dict[str, Any]:
    """Return the identity of a study, by the names that a message may quote: only an equal one is resumed."""
    return {
        "metric": options.metric,
        "keys": space.to_dict(),
        "TRACKER": tree["TRACKER"],
        "data": data.digests(),
        "rules": [data.protocol, tree["DATA"]["CLASSES"]],
        "SEED": tree["SEED"],
    }


def _search(
    objective: Objective, space: SearchSpace, options: TuneOptions, *, output: Path, task: dict[str, Any]
) -> TuneResult:
    processes, metric = options.processes or available_cores(), options.metric
    path = output / STUDY
    with workers(objective, processes) as submit, _study_errors(path):
        study = open_study(path, task, resume=options.resume)
        with tqdm(total=options.trials, desc="tuning", unit="trial", leave=False, disable=None) as bar:
            found = [trial.user_attrs["scores"][metric] for trial in finished(study)]
            bar.update(len(found))

            def show(scores: Scores) -> None:
                found.append(scores[metric])
                best, start = f"{100 * max(found):.2f}", f"{100 * found[0]:.2f}"
                bar.set_postfix({metric: best, "start": start}, refresh=False)
                bar.update()

            trials = search(
                study,
                space,
                submit,
                metric=metric,
                trials=options.trials,
                seed=task["SEED"],
                concurrency=processes + (processes > 1),  # one more, so that no process idles
                on_trial=show,
            )
        best = max(trials, key=lambda trial: (trial.user_attrs["scores"][metric], -trial.number))
        compared = {TUNED: trials[0].user_attrs["scores"]}, {TUNED: best.user_attrs["scores"]}
        if objective.subsets[HELD_OUT]:
            waiting = [submit(HELD_OUT, trial.user_attrs["values"]) for trial in (trials[0], best)]
            for scores, wait in zip(compared, waiting, strict=True):
                scores[HELD_OUT] = wait()
        return TuneResult(metric, space, study, best, *compared)


@contextmanager
def _study_errors(study: Path) -> Iterator[None]:
    """Report how to continue an interrupted search, and a failed write of the study in one line."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"fairmot tune: {study} keeps the finished trials: continue with --resume", file=sys.stderr)
        raise
    except OSError as error:
        raise InputError(f"{study}: cannot be written: {error.strerror or error}") from None
