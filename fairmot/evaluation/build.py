"""The evaluator that a configuration asks for."""

from fairmot.config.node import CfgNode
from fairmot.evaluation.evaluator import Evaluator


def build_evaluator(cfg: CfgNode) -> Evaluator:
    """Return the evaluator of `EVAL.PROTOCOL`, `EVAL.BACKEND` and `EVAL.EVENTS`."""
    return Evaluator(protocol=cfg.EVAL.PROTOCOL, backend=cfg.EVAL.BACKEND, events=cfg.EVAL.EVENTS)
