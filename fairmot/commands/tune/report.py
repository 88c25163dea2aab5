"""What a tuning leaves behind: the best preset, a table of all trials, a picture, and a few lines to read."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from fairmot.commands.tune.search_space import SearchKey, Space
from fairmot.commands.tune.study import FinishedTrial
from fairmot.commands.tune.trial import SCORES, Scores
from fairmot.formats.atomic import write_text
from fairmot.formats.images import write_image
from fairmot.viz.tuning import KeySlice, TuningHistory, draw_tuning

BEST, TRIALS, PICTURE = "best.yaml", "trials.csv", "tuning.png"


@dataclass(frozen=True)
class TuneResult:
    """A finished tuning.

    tracker: the best TRACKER section. start_scores, best_scores: part (tuned, held out) -> SCORES, the held-out part
    only where something was held out. importances: key -> share, {} where that cannot be told.
    """

    metric: str
    space: Space
    trials: Sequence[FinishedTrial]
    best: FinishedTrial
    start_scores: Mapping[str, Scores]
    best_scores: Mapping[str, Scores]
    importances: Mapping[str, float]

    @property
    def tracker(self) -> dict[str, Any]:
        """The whole TRACKER section of the best trial."""
        return {**self.space.start, **self.best.values}


def write_result(output: Path, result: TuneResult, *, sequences: Mapping[str, Sequence[str]]) -> None:
    """Write BEST, TRIALS and PICTURE into `output`; sequences: part -> names, told in BEST's first lines."""
    write_text(output / BEST, format_best(result, sequences))
    write_text(output / TRIALS, format_trials(result))
    title = f"{result.metric} over {len(result.trials)} trials"
    if result.best.number:
        title += f"; the best is trial {result.best.number}"
    else:
        title += "; none is better than the start"
    write_image(output / PICTURE, draw_tuning(_history(result), title))


def format_best(result: TuneResult, sequences: Mapping[str, Sequence[str]]) -> str:
    """Return the best TRACKER section as YAML that `load_cfg` takes; what it came from stands in comments."""
    lines = [f"# fairmot tune: trial {result.best.number} of {len(result.trials)}, the best by {result.metric}."]
    for part, scores in result.best_scores.items():
        before = result.start_scores[part][result.metric]
        lines.append(
            f"# {part}: {100 * scores[result.metric]:.2f} % ({100 * before:.2f} % at the start); "
            f"{', '.join(sequences[part])}"
        )
    lines += [f"# searched: {', '.join(key.name for key in result.space.keys)}", "TRACKER:"]
    for name, value in result.tracker.items():
        start = result.space.start[name]
        was = "" if value == start else f"  # was {_plain(start)}"
        lines.append(f"  {name}: {_plain(value)}{was}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    """Return a value as YAML writes it on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def format_trials(result: TuneResult) -> str:
    """Return a CSV table: number, scores (fractions; IDSW a count), seconds, the searched keys, empty if left out."""
    keys = result.space.keys
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["trial", *SCORES, "seconds", *(key.full_name for key in keys)])
    for trial in result.trials:
        scores = [f"{trial.scores[name]:.6g}" for name in SCORES]
        writer.writerow(
            [trial.number, *scores, trial.scores["seconds"], *(trial.values.get(key.name, "") for key in keys)]
        )
    return file.getvalue()


def format_summary(result: TuneResult) -> str:
    """Return the start's and the best's scores by part, in percent, and the keys that differ."""
    rows = [["", *SCORES]]
    for part in result.best_scores:
        for label, scores in (("start", result.start_scores[part]), ("best", result.best_scores[part])):
            shares = [f"{100 * scores[name]:.2f}" for name in SCORES[:-1]]
            rows.append([f"{part}, {label}", *shares, f"{scores['IDSW']:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([*table, _changes(result)])


def _changes(result: TuneResult) -> str:
    start, best = result.space.start, result.tracker
    changed = [f"TRACKER.{name} {value} (was {start[name]})" for name, value in best.items() if value != start[name]]
    return f"trial {result.best.number}: {', '.join(changed) or 'the start itself: no trial is better'}"


def _history(result: TuneResult) -> TuningHistory:
    metric, trials = result.metric, result.trials
    return TuningHistory(
        metric=metric,
        numbers=np.array([trial.number for trial in trials], dtype=np.float64),
        scores=np.array([100 * trial.scores[metric] for trial in trials]),
        best=next(place for place, trial in enumerate(trials) if trial.number == result.best.number),
        slices=[_slice(key, trials, result.importances) for key in result.space.keys],
        parts=tuple(result.best_scores),
        start_scores=[100 * scores[metric] for scores in result.start_scores.values()],
        best_scores=[100 * scores[metric] for scores in result.best_scores.values()],
    )


def _slice(key: SearchKey, trials: Sequence[FinishedTrial], importances: Mapping[str, float]) -> KeySlice:
    domain, found = key.domain, [trial.values.get(key.name) for trial in trials]
    is_log = isinstance(domain, FloatDistribution | IntDistribution) and domain.log
    choices = list(domain.choices) if isinstance(domain, CategoricalDistribution) else []
    numbers = [math.nan if value is None else choices.index(value) if choices else value for value in found]
    share = importances.get(key.full_name, math.nan)
    values = np.array(numbers, dtype=np.float64)
    return KeySlice(key.name, values, tuple(map(str, choices)), share, is_log)
