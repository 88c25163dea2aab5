"""Builder of the evaluator from the configuration."""

from fairmot.config.node import CfgNode
from fairmot.evaluation.evaluator import Evaluator


def build_evaluator(cfg: CfgNode) -> Evaluator:
    """Return the evaluator of `EVAL.PROTOCOL`, `EVAL.BACKEND`, `EVAL.EVENTS` and `DATA.CLASSES`."""
    keys = cfg.EVAL
    return Evaluator(protocol=keys.PROTOCOL, backend=keys.BACKEND, events=keys.EVENTS, classes=tuple(cfg.DATA.CLASSES))
