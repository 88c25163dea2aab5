"""Scoring a model while it trains: track the validation sequences in memory, score, keep a line of numbers."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from torch import nn
from tqdm import tqdm

from fairmot.commands.run import Run
from fairmot.commands.track.camera_motion import FrameInput, build_camera_motion_step
from fairmot.config.node import CfgNode
from fairmot.data.build import build_val_spans
from fairmot.data.catalog import SequenceSpan
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.engine.trainer import Trainer
from fairmot.evaluation.evaluator import evaluate_tables
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.sequences import cut_sequence, read_truths
from fairmot.formats.text_io import append_row
from fairmot.models.inference import prepare_for_inference
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_filters, build_postprocess, build_tracker
from fairmot.tracking.run import to_table, track_sequence
from fairmot.utils.distributed import balance_load
from fairmot.utils.errors import InputError
from fairmot.video.source import open_frames

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
SHOWN = ("HOTA", "MOTA", "IDF1", "DetA", "AssA")


class _Span(NamedTuple):
    """Frames of a sequence to track (places from 0), and their truth."""

    truth: ScoredSequence
    places: range


def _read_span(span: SequenceSpan) -> _Span:
    (truth,) = read_truths(span.folder).sequences
    places = span.split.range_of(truth.info.length)
    if not places:
        raise InputError(f"DATA.VAL: {span.folder}: none of its {truth.info.length} frames belongs to the split")
    return _Span(cut_sequence(truth, places), places)


class Validator:
    """Callable for `ValidationHook`: returns the combined HOTA, writes `metrics.jsonl` and TensorBoard scalars.

    Several processes share the sequences; the first one scores, and all return its score. Truth is read once, when it
    is made: a mistake in DATA.VAL shows before training, not after an epoch.
    """

    def __init__(self, cfg: CfgNode, run: Run, writer: "SummaryWriter | None") -> None:
        self.cfg = cfg
        self.run = run
        self.writer = writer
        self.path = run.output / METRICS
        self.spans = [_read_span(span) for span in build_val_spans(cfg)]
        choose_protocol([span.truth for span in self.spans], cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES)
        for span in self.spans:  # a camera motion file that is missing shows now, not after an epoch
            build_camera_motion_step(cfg, span.truth.info.name)

    def __call__(self, trainer: Trainer) -> float:
        """Score the trainer's model, or its average; the score that chooses the best checkpoint is HOTA."""
        world = self.run.world
        world.broadcast_module(trainer.state.scored_model)
        tables = self._track_share(trainer.state.scored_model)
        shares = world.all_gather_object(tables)
        score = self._score({place: table for share in shares for place, table in share.items()}, trainer)
        return float(world.broadcast_object(score))

    def _score(self, tables: dict[int, BoxTable], trainer: Trainer) -> float | None:
        """Score, say and write what all processes tracked; None where another one does."""
        if not self.run.world.is_main_process:
            return None
        scored = [replace(span.truth, results=tables[place]) for place, span in enumerate(self.spans)]
        report = evaluate_tables(scored, protocol=self.cfg.EVAL.PROTOCOL, classes=self.cfg.DATA.CLASSES)
        progress = trainer.state.progress
        row = {"epoch": progress.epoch, "step": progress.step, **report.combined}
        append_row(self.path, row)
        for name in SHOWN:
            if self.writer is not None:
                self.writer.add_scalar(f"validation/{name}", report.combined[name], progress.step)
        shown = " ".join(f"{name} {100 * report.combined[name]:.1f}" for name in SHOWN[:3])
        self.run.log.info(f"validation after epoch {progress.epoch}: {shown}")
        return report.combined["HOTA"]

    def _track_share(self, model: nn.Module) -> dict[int, BoxTable]:
        """Return the results of this process's sequences by their places."""
        predictor = build_predictor(self.cfg, prepare_for_inference(model), device=self.run.device)
        world = self.run.world
        places = balance_load([len(span.places) for span in self.spans], world.world_size)[world.rank]
        quiet = None if world.is_main_process else True
        bar = tqdm(places, desc="validating", unit="sequence", leave=False, disable=quiet)
        return {place: self._track(predictor, self.spans[place]) for place in bar}

    def _track(self, predictor: Predictor, span: "_Span") -> BoxTable:
        info = span.truth.info
        tracker, refine = build_tracker(self.cfg, frame_rate=info.frame_rate), build_postprocess(self.cfg)
        follow = build_camera_motion_step(self.cfg, info.name, skipped=span.places.start)
        with open_frames(str(info.root), indices=span.places) as source:
            seen: Iterable[FrameInput] = (
                FrameInput(frame.image, TrackerInput(frame.index, predictor(frame.image), time=frame.time))
                for frame in source
            )
            observations = (one.tracker_input for one in (map(follow, seen) if follow else seen))
            tracks = track_sequence(observations, tracker, filters=build_filters(self.cfg))
            table = to_table(tracks, num_classes=self.cfg.MODEL.NUM_CLASSES)
        return refine(table) if refine else table
