"""Results of a tracker search: best configuration as YAML, all trials as CSV, Optuna's figures, a printed summary."""

import csv
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import yaml
from matplotlib import pyplot, rc_context
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from fairmot.commands.tune.search_space import SECTION, SearchSpace
from fairmot.commands.tune.study import finished, importances
from fairmot.commands.tune.trial import SCORES, Scores
from fairmot.formats.atomic import atomic_write, write_text

BEST, TRIALS = "best.yaml", "trials.csv"
HISTORY, IMPORTANCES, SLICES = "tuning_history.png", "tuning_importances.png", "tuning_slices.png"
MAX_SLICES = 8


@dataclass(frozen=True)
class TuneResult:
    """A finished search.

    best: the trial of the highest score, the first of equal ones. start_scores, best_scores: subset (tuned, held out)
    -> SCORES; the held-out subset only if there is one.
    """

    metric: str
    space: SearchSpace
    study: optuna.Study
    best: FrozenTrial
    start_scores: Mapping[str, Scores]
    best_scores: Mapping[str, Scores]

    @property
    def tracker(self) -> dict[str, Any]:
        """The full TRACKER section of the best trial."""
        return {**self.space.start, **self.best.user_attrs["values"]}


def write_result(output: Path, result: TuneResult, *, sequences: Mapping[str, Sequence[str]]) -> None:
    """Write BEST, TRIALS and FIGURES to `output`; sequences: subset -> names, for the comments of BEST."""
    write_text(output / BEST, format_best(result, sequences))
    write_text(output / TRIALS, format_trials(result))
    draw_figures(output, result)


def format_best(result: TuneResult, sequences: Mapping[str, Sequence[str]]) -> str:
    """Return the best TRACKER section as YAML for `load_cfg`, with its origin in comments."""
    count = len(finished(result.study))
    lines = [f"# fairmot tune: trial {result.best.number} of {count}, the best by {result.metric}."]
    for subset, scores in result.best_scores.items():
        before = result.start_scores[subset][result.metric]
        lines.append(
            f"# {subset}: {100 * scores[result.metric]:.2f} % ({100 * before:.2f} % at the start); "
            f"{', '.join(sequences[subset])}"
        )
    lines += [f"# searched: {', '.join(key.name for key in result.space.keys)}", "TRACKER:"]
    for name, value in result.tracker.items():
        start = result.space.start[name]
        was = "" if value == start else f"  # was {_yaml(start)}"
        lines.append(f"  {name}: {_yaml(value)}{was}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def format_trials(result: TuneResult) -> str:
    """Return a CSV table: number, scores (fractions; IDSW a count), seconds, and the searched keys, empty if unused."""
    keys = result.space.keys
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["trial", *SCORES, "seconds", *(key.full_name for key in keys)])
    for trial in finished(result.study):
        scores, values = trial.user_attrs["scores"], trial.user_attrs["values"]
        figures = [f"{scores[name]:.6g}" for name in SCORES]
        writer.writerow([trial.number, *figures, scores["seconds"], *(values.get(key.name, "") for key in keys)])
    return file.getvalue()


def format_summary(result: TuneResult) -> str:
    """Return the scores of start and best on each subset, in percent, and the changed keys."""
    rows = [["", *SCORES]]
    for subset in result.best_scores:
        for label, scores in (("start", result.start_scores[subset]), ("best", result.best_scores[subset])):
            percentages = [f"{100 * scores[name]:.2f}" for name in SCORES[:-1]]
            rows.append([f"{subset}, {label}", *percentages, f"{scores['IDSW']:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    start, best = result.space.start, result.tracker
    changed = [f"TRACKER.{name} {value} (was {start[name]})" for name, value in best.items() if value != start[name]]
    changes = ", ".join(changed) or "the start itself: no trial is better"
    return "\n".join([*table, f"trial {result.best.number}: {changes}"])


def draw_figures(output: Path, result: TuneResult) -> None:
    """Write Optuna's figures of the study: scores by trial, key importances, slices of the most important keys.

    Without importances, which take some different trials, only the first one is written.
    """
    weights = importances(result.study)
    keys = sorted(weights, key=lambda key: -weights[key])[:MAX_SLICES]
    drawings = {HISTORY: (partial(plots.plot_optimization_history, result.study), (10.0, 4.5))}
    if weights:
        height = 2 + 0.25 * len(weights)
        drawings[IMPORTANCES] = partial(plots.plot_param_importances, result.study), (10.0, height)
        drawings[SLICES] = partial(plots.plot_slice, result.study, keys), (2 + 2.8 * len(keys), 4.5)
    pyplot.switch_backend("Agg")
    with rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        for file, (draw, size) in drawings.items():
            draw(target_name=result.metric)
            figure = pyplot.gcf()
            figure.set_size_inches(*size)
            for axes in figure.axes:
                axes.set_xlabel(axes.get_xlabel().removeprefix(SECTION), fontsize=9)
            with atomic_write(output / file) as temporary:
                figure.savefig(temporary, format="png", dpi=100, bbox_inches="tight")
            pyplot.close(figure)
