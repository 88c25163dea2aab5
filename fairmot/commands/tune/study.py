"""The search itself: Optuna's study in a file, asked and told in one order, whatever the processes' speed.

Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011), the tree-structured Parzen estimator (TPE),
here over all keys jointly. Each trial's draws are seeded by the configuration's seed and the trial's number, and a
trial is proposed when all but the last few before it are known. So the same seed and number of processes give the
same trials, and a run that was killed goes on as if it had not been.
"""

import json
import sqlite3
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from fairmot.commands.tune.search_space import Space
from fairmot.commands.tune.trial import Scores
from fairmot.commands.tune.workers import Submit
from fairmot.formats.atomic import check_writable
from fairmot.utils.errors import InputError

STUDY = "study.db"
_NAME, _TASK, _SCORES = "tune", "task", "scores"
TUNED, HELD_OUT = "tuned", "held out"


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial: its number, values by the keys' short names, and scores on the part that is tuned on."""

    number: int
    values: Mapping[str, Any]
    scores: Scores


@contextmanager
def open_study(path: Path, task: Mapping[str, Any], *, resume: bool) -> Iterator[optuna.Study]:
    """Yield the study kept at `path`, a new one where there is none; the file is closed after the block.

    task: what the study is about: data, keys, metric, starting point; plain values that JSON holds.
    Raises InputError: a study where none is to be resumed, none where one is, one about another task, or no study.
    """
    if path.exists() and not resume:
        raise InputError(f"{path} exists: go on with --resume, or choose another --output")
    if resume and not path.exists():
        raise InputError(f"--resume: {path}: no such study to go on with")
    check_writable(path)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = RDBStorage("sqlite://", engine_kwargs={"creator": lambda: _connect(path), "poolclass": StaticPool})
        study = optuna.create_study(storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True)
    except (SQLAlchemyError, StorageInternalError, sqlite3.Error, RuntimeError) as error:
        raise InputError(f"{path}: no study that can be read: {str(error).splitlines()[0]}") from None
    try:
        _claim(study, json.loads(json.dumps(task)), path)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file so that a kill loses nothing, though no commit waits for the disk (a power cut costs the last)."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _claim(study: optuna.Study, task: Mapping[str, Any], path: Path) -> None:
    """Give a new study its task; InputError where an old one has another."""
    saved = study.user_attrs.get(_TASK)
    if saved is None:
        study.set_user_attr(_TASK, task)
    elif saved != task:
        changed = sorted(name for name in {*saved, *task} if saved.get(name) != task.get(name))
        raise InputError(f"--resume: {path} was begun with other {', '.join(changed)}; choose another --output")


def search(
    study: optuna.Study,
    space: Space,
    submit: Submit,
    *,
    metric: str,
    trials: int,
    seed: int,
    ahead: int,
    tell: Callable[[FinishedTrial], object] | None = None,
) -> list[FinishedTrial]:
    """Run trials until the study has `trials` of them, those of earlier runs included; return all, by number.

    The first is the starting point. ahead: trials under way at a time; a trial that an earlier run left unfinished is
    done again. tell: called with each trial that ends in this run.
    """
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(space.first())
    under_way: deque[tuple[Trial, Mapping[str, Any], Callable[[], Scores]]] = deque()

    def start(trial: Trial) -> None:
        values = space.suggest(trial)
        under_way.append((trial, values, submit(TUNED, values)))

    for left in study.get_trials(states=(TrialState.RUNNING,)):
        study.sampler = _sampler(space, seed + left.number)
        start(Trial(study, left._trial_id))
    while True:
        asked = _asked(study)
        while len(under_way) < ahead and asked < trials:
            study.sampler = _sampler(space, seed + asked)
            start(study.ask())
            asked += 1
        if not under_way:
            return finished(study, space)
        trial, values, scores_of = under_way.popleft()
        scores = scores_of()
        trial.set_user_attr(_SCORES, scores)
        study.tell(trial, scores[metric])
        if tell is not None:
            tell(FinishedTrial(trial.number, values, scores))


def finished(study: optuna.Study, space: Space) -> list[FinishedTrial]:
    """Return the finished trials, by number."""
    return [_done(trial, space) for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]


def best_of(done: list[FinishedTrial], metric: str) -> FinishedTrial:
    """Return the trial of the highest score; of equal ones the first."""
    return max(done, key=lambda trial: (trial.scores[metric], -trial.number))


def importances(study: optuna.Study) -> dict[str, float]:
    """Return key -> its share in what parts good trials from the others (PED-ANOVA), {} where that cannot be told.

    Source: Watanabe et al., PED-ANOVA (2023).
    """
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < 3:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(study))
        except (ValueError, RuntimeError):  # too few trials that differ
            return {}


def _asked(study: optuna.Study) -> int:
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def _sampler(space: Space, seed: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=space.has_conditions)


def _done(trial: FrozenTrial, space: Space) -> FinishedTrial:
    return FinishedTrial(trial.number, space.values_of(trial.params), trial.user_attrs[_SCORES])
