"""Trials of a tracker search: tracking with one configuration, post-processing and scoring, in worker processes."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from typing import Any

from fairmot.commands.tune.data import SequencePart
from fairmot.config.load import cfg_from_dict
from fairmot.config.node import CfgNode
from fairmot.evaluation.evaluator import Evaluator
from fairmot.structures.report import ScoredSequence
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_filters, build_postprocess, build_tracker
from fairmot.tracking.run import to_table, track_sequence
from fairmot.utils.errors import InputError

SCORES = ("HOTA", "IDF1", "MOTA", "IDSW")
TUNED, HELD_OUT = "tuned", "held out"
Scores = dict[str, float]
Submit = Callable[[str, Mapping[str, Any]], Callable[[], Scores]]  # (subset, values) -> function that waits for scores


@dataclass(frozen=True)
class Objective:
    """Scores of a TRACKER section over sequences.

    tree: the full configuration as plain dictionaries; subsets: name (TUNED, HELD_OUT) -> its sequences.
    """

    tree: Mapping[str, Any]
    subsets: Mapping[str, Sequence[SequencePart]]
    protocol: str

    def __call__(self, subset: str, values: Mapping[str, Any]) -> Scores:
        """Return SCORES over all sequences of `subset` and `seconds`; `values` override TRACKER keys."""
        started = time.perf_counter()
        cfg = cfg_from_dict({**self.tree, "TRACKER": {**self.tree["TRACKER"], **values}})
        tracked = [track_part(cfg, part) for part in self.subsets[subset]]
        report = Evaluator(self.protocol, classes=tuple(cfg.DATA.CLASSES)).evaluate(tracked)
        scores = {name: float(report.combined[name]) for name in SCORES}
        return {**scores, "seconds": round(time.perf_counter() - started, 3)}


def track_part(cfg: CfgNode, part: SequencePart) -> ScoredSequence:
    """Return the sequence with the results that `--replay` would write, post-processing and filters included."""
    inputs: Iterable[TrackerInput] = part.inputs
    if cfg.TRACKER.CAMERA_MOTION == "none":
        inputs = (replace(each, camera_motion=None) for each in inputs)
    tracker = build_tracker(cfg, frame_rate=part.ground_truth.info.frame_rate)
    tracks = track_sequence(inputs, tracker, filters=build_filters(cfg))
    table = to_table(tracks, num_classes=cfg.MODEL.NUM_CLASSES)
    postprocess = build_postprocess(cfg)
    return replace(part.ground_truth, results=table if postprocess is None else postprocess(table))


_objective: list[Objective] = []  # of a worker process, set by its initializer


@contextmanager
def workers(objective: Objective, processes: int) -> Iterator[Submit]:
    """Yield a function that starts a trial and returns a function that waits for its scores.

    With one process a trial runs in the caller, when its scores are waited for. Several are forked at once, before the
    caller opens files or starts threads; they end with the block, and if this process dies.

    The yielded function raises what the trial raises, and InputError if a worker was killed.
    """
    if processes == 1:
        yield lambda subset, values: lambda: objective(subset, values)
        return
    with ProcessPoolExecutor(processes, get_context("fork"), _initialize, (objective,)) as pool:
        pool.submit(_run).result()  # forks all workers
        try:
            yield lambda subset, values: _waiting(pool.submit(_run, subset, dict(values)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _waiting(future: "Future[Scores]") -> Callable[[], Scores]:
    def wait() -> Scores:
        try:
            return future.result()
        except BrokenProcessPool:
            raise InputError("a worker process was killed (out of memory?); continue with --resume") from None

    return wait


def _initialize(objective: Objective) -> None:
    _objective.append(objective)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(subset: str | None = None, values: Mapping[str, Any] | None = None) -> Scores:
    return {} if subset is None else _objective[-1](subset, values or {})
