"""Optuna study of a tracker search: storage in a journal file, ask-and-tell in a fixed order, key importances.

Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011), the tree-structured Parzen estimator (TPE),
here multivariate. The sampler is seeded by the configuration's seed and the trial number, and trials are reported in
the order in which they were asked. The same seed and number of processes therefore give the same trials, also after an
interruption; `study.optimize` in several processes over one storage does not guarantee that.
"""

import json
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from fairmot.commands.tune.search_space import SearchSpace
from fairmot.commands.tune.trial import TUNED, Scores, Submit
from fairmot.formats.atomic import check_writable
from fairmot.utils.errors import InputError

STUDY = "study.log"
_NAME, _TASK = "tune", "task"


def open_study(path: Path, task: Mapping[str, Any], *, resume: bool) -> optuna.Study:
    """Create the study kept in the journal file `path`, or open it with `resume`.

    task: data, keys, metric and starting point of the search, JSON-serializable; a study is only resumed with the same.

    Raises InputError for an existing study without `resume`, a missing one with it, another task, a damaged file.
    """
    if path.exists() and not resume:
        raise InputError(f"{path} exists: continue it with --resume, or choose another --output")
    if resume and not path.exists():
        raise InputError(f"--resume: {path}: no such study")
    check_writable(path)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        Path(f"{path}.lock").unlink(missing_ok=True)  # of a killed run
        storage = JournalStorage(JournalFileBackend(str(path)))
        if not resume:
            optuna.create_study(storage=storage, study_name=_NAME, direction="maximize")
        study = optuna.load_study(study_name=_NAME, storage=storage)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{path}: not a readable study: {str(error).splitlines()[0]}") from None
    saved, task = study.user_attrs.get(_TASK), json.loads(json.dumps(task))
    if saved is None:
        study.set_user_attr(_TASK, task)
    elif saved != task:
        changed = sorted(name for name in {*saved, *task} if saved.get(name) != task.get(name))
        raise InputError(f"--resume: {path} was started with other {', '.join(changed)}; choose another --output")
    return study


def search(
    study: optuna.Study,
    space: SearchSpace,
    submit: Submit,
    *,
    metric: str,
    trials: int,
    seed: int,
    concurrency: int,
    on_trial: Callable[[Scores], object] = lambda _: None,
) -> list[FrozenTrial]:
    """Run trials until the study has `trials` of them, including those of earlier runs; return all in order.

    The first trial is the starting point. Trials that an earlier run left unfinished are run again.
    concurrency: trials in flight; on_trial: called with the scores of each trial of this run.
    """
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(space.first())
    in_flight: deque[tuple[Trial, Callable[[], Scores]]] = deque()

    def start(trial: Trial) -> None:
        values = space.suggest(trial)
        trial.set_user_attr("values", values)
        in_flight.append((trial, submit(TUNED, values)))

    for unfinished in study.get_trials(states=(TrialState.RUNNING,)):
        study.sampler = _sampler(space, seed + unfinished.number)
        start(Trial(study, unfinished._trial_id))
    while True:
        asked = sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))
        while len(in_flight) < concurrency and asked < trials:
            study.sampler = _sampler(space, seed + asked)
            start(study.ask())
            asked += 1
        if not in_flight:
            return finished(study)
        trial, wait = in_flight.popleft()
        scores = wait()
        trial.set_user_attr("scores", scores)
        study.tell(trial, scores[metric])
        on_trial(scores)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the completed trials in order; `user_attrs` has `values` (key -> value) and `scores` of each."""
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return trials


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each key, which sum to 1 (Watanabe et al., PED-ANOVA, 2023); {} for too few trials."""
    if len({trial.value for trial in finished(study)}) < 3:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(study))
        except (ValueError, RuntimeError):  # too few different trials
            return {}


def _sampler(space: SearchSpace, seed: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=space.has_conditions)
