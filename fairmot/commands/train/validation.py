"""Validation during training: tracking of the validation sequences in memory, and their score."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

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
from fairmot.evaluation.sequences import cut_sequence, read_ground_truth
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

Span = tuple[ScoredSequence, range]
"""Ground truth of a part of a sequence, and the indices of its frames from 0."""


def build_validation(cfg: CfgNode, run: Run, writer: "SummaryWriter | None") -> Callable[[Trainer], float]:
    """Return the `evaluate` of a `ValidationHook`: combined HOTA of the trainer's model, or of its average.

    It writes `metrics.jsonl` and TensorBoard scalars. The ranks share the sequences, the main process scores, and all
    return its score. Ground truth and camera motion files are checked here, before training.
    """
    spans = [_read_span(span) for span in build_val_spans(cfg)]
    choose_protocol([sequence for sequence, _ in spans], cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES)
    for sequence, _ in spans:
        build_camera_motion_step(cfg, sequence.info.name)

    def validate(trainer: Trainer) -> float:
        model, progress, world = trainer.state.scored_model, trainer.state.progress, run.world
        world.broadcast_module(model)
        tables = _track_spans(cfg, run, model, spans)
        score = None
        if world.is_main_process:
            scored = [replace(sequence, results=tables[index]) for index, (sequence, _) in enumerate(spans)]
            combined = evaluate_tables(scored, protocol=cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES).combined
            append_row(run.output / METRICS, {"epoch": progress.epoch, "step": progress.step, **combined})
            for name in SHOWN:
                if writer is not None:
                    writer.add_scalar(f"validation/{name}", combined[name], progress.step)
            scores = " ".join(f"{name} {100 * combined[name]:.1f}" for name in SHOWN[:3])
            run.log.info(f"validation after epoch {progress.epoch}: {scores}")
            score = combined["HOTA"]
        return float(world.broadcast_object(score))

    return validate


def _read_span(span: SequenceSpan) -> Span:
    (sequence,) = read_ground_truth(span.folder).sequences
    indices = span.split.range_of(sequence.info.length)
    if not indices:
        raise InputError(f"DATA.VAL: {span.folder}: none of its {sequence.info.length} frames belongs to the split")
    return cut_sequence(sequence, indices), indices


def _track_spans(cfg: CfgNode, run: Run, model: nn.Module, spans: Sequence[Span]) -> dict[int, BoxTable]:
    """Track all spans, divided over the ranks by their lengths; return the results by index, on every rank."""
    predictor = build_predictor(cfg, prepare_for_inference(model), device=run.device)
    world = run.world
    own = balance_load([len(indices) for _, indices in spans], world.world_size)[world.rank]
    bar = tqdm(own, desc="validating", unit="sequence", leave=False, disable=None if world.is_main_process else True)
    tables = {index: _track(cfg, predictor, *spans[index]) for index in bar}
    return {index: table for shard in world.all_gather_object(tables) for index, table in shard.items()}


def _track(cfg: CfgNode, predictor: Predictor, sequence: ScoredSequence, indices: range) -> BoxTable:
    info = sequence.info
    tracker, postprocess = build_tracker(cfg, frame_rate=info.frame_rate), build_postprocess(cfg)
    add_camera_motion = build_camera_motion_step(cfg, info.name, skipped=indices.start)
    with open_frames(str(info.root), indices=indices) as source:
        inputs: Iterable[FrameInput] = (
            FrameInput(frame.image, TrackerInput(frame.index, predictor(frame.image), time=frame.time))
            for frame in source
        )
        inputs = map(add_camera_motion, inputs) if add_camera_motion else inputs
        tracks = track_sequence((one.tracker_input for one in inputs), tracker, filters=build_filters(cfg))
        table = to_table(tracks, num_classes=cfg.MODEL.NUM_CLASSES)
    return postprocess(table) if postprocess else table
