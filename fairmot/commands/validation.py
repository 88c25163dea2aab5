"""Scoring a model while it trains: track the validation sequences in memory, score, keep a line of numbers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn
from tqdm import tqdm

from fairmot.commands.run import Run
from fairmot.config.node import CfgNode
from fairmot.data.catalog import resolve_sequences
from fairmot.data.sequence import open_frames
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.engine.trainer import Trainer
from fairmot.evaluation.evaluator import evaluate_tables
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.read import read_truths
from fairmot.models.inference import prepare_for_inference
from fairmot.structures.report import EvalReport, ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import collect_tracks, track_sequence

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SHOWN = ("HOTA", "MOTA", "IDF1", "DetA", "AssA")


class Validator:
    """Callable for `ValidationHook`: returns the combined HOTA, writes `metrics.jsonl` and TensorBoard scalars.

    Truth is read once, when it is made: a mistake in DATA.VAL shows before training, not after an epoch.
    """

    def __init__(self, cfg: CfgNode, run: Run, writer: "SummaryWriter") -> None:
        self.cfg = cfg
        self.run = run
        self.writer = writer
        self.path = run.output / "metrics.jsonl"
        folders = resolve_sequences(Path(cfg.DATA.ROOT), cfg.DATA.VAL, key="DATA.VAL")
        self.truths = [truth for folder in folders for truth in read_truths(folder).sequences]
        choose_protocol(self.truths, cfg.EVAL.PROTOCOL)

    def __call__(self, trainer: Trainer) -> float:
        """Score the trainer's model; the score that chooses the best checkpoint is HOTA."""
        report = self._evaluate(trainer.state.model)
        progress = trainer.state.progress
        row = {"epoch": progress.epoch, "step": progress.step, **report.combined}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for name in SHOWN:
            self.writer.add_scalar(f"validation/{name}", report.combined[name], progress.step)
        shown = " ".join(f"{name} {100 * report.combined[name]:.1f}" for name in SHOWN[:3])
        self.run.log.info(f"validation after epoch {progress.epoch}: {shown}")
        return float(report.combined["HOTA"])

    def _evaluate(self, model: nn.Module) -> EvalReport:
        predictor = build_predictor(self.cfg, prepare_for_inference(model), device=self.run.device)
        bar = tqdm(self.truths, desc="validating", unit="sequence", leave=False, disable=None)
        scored = [replace(truth, results=self._track(predictor, truth)) for truth in bar]
        return evaluate_tables(scored, protocol=self.cfg.EVAL.PROTOCOL)

    def _track(self, predictor: Predictor, truth: ScoredSequence) -> BoxTable:
        tracker = build_tracker(self.cfg, frame_rate=truth.info.frame_rate)
        with open_frames(str(truth.info.root)) as source:
            detected = ((frame.index, predictor(frame.image)) for frame in source)
            return collect_tracks(track_sequence(detected, tracker, filters=build_filters(self.cfg))).table
