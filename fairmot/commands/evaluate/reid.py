"""How well a model's embeddings, read at the true boxes, tell people apart: `fairmot eval` with EVAL.REID."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from fairmot.commands.run import resolve_device
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.reid import Block, ReidScores, score_embeddings, scored_boxes
from fairmot.evaluation.sequences import read_truths
from fairmot.formats.atomic import write_text
from fairmot.formats.download import locate
from fairmot.formats.motchallenge import without_copies
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weights import load_weights
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.video.source import open_frames


class EmbeddedRows(NamedTuple):
    """N rows of a table, by frame, and their embeddings."""

    rows: IntArray  # (N,) places in the table, from 0
    embeddings: FloatArray  # (N, D) of unit length


def evaluate_reid(cfg: CfgNode, *, weights: Path, truth: Path, output: Path) -> ReidScores:
    """Embed the scored boxes of every frame under `truth` with `weights`, and score all pairs of them.

    An identity is one person of one sequence; of a sequence's copies for several detectors one counts. Writes
    `output/reid.json`.
    """
    model = build_model(cfg)
    load_weights(model, locate(weights).path)
    device = resolve_device(cfg.DEVICE)
    predictor = build_predictor(cfg, prepare_for_inference(model.to(device)), device=device)
    sequences = _once(read_truths(truth).sequences)
    protocol = choose_protocol(sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES).protocol
    tables = [scored_boxes(sequence, protocol, classes=cfg.DATA.CLASSES) for sequence in sequences]
    found = [embed_rows(predictor, each.info.root, table) for each, table in zip(sequences, tables, strict=True)]
    boxes = [table[part.rows] for table, part in zip(tables, found, strict=True)]
    scores = score_embeddings(
        np.concatenate([part.embeddings for part in found]),
        _number([table.ids for table in boxes]),
        classes=np.concatenate([table.classes for table in boxes]),
        progress=_progress,
    )
    text = json.dumps({**scores.to_dict(), "sampling": cfg.MODEL.REID_SAMPLING}, indent=1, allow_nan=False)
    write_text(output / "reid.json", text + "\n")
    return scores


def embed_rows(predictor: Predictor, folder: Path, table: BoxTable) -> EmbeddedRows:
    """Embed the rows of `table`, in frames of the sequence at `folder`; rows whose frame has no image are left out."""
    rows, embeddings = [], []
    with open_frames(str(folder)) as frames:
        bar = tqdm(
            frames, desc=f"embedding {frames.name}", total=frames.length, unit="frame", leave=False, disable=None
        )
        for frame in bar:
            rows.append(np.flatnonzero(table.frames == frame.index))
            embeddings.append(predictor.embed(frame.image, tlwh_to_xyxy(table.boxes_tlwh[rows[-1]])))
    return EmbeddedRows(np.concatenate(rows), np.concatenate(embeddings))


def _once(sequences: Sequence[ScoredSequence]) -> list[ScoredSequence]:
    kept = set(without_copies([sequence.info.root for sequence in sequences]))
    return [sequence for sequence in sequences if sequence.info.root in kept]


def _number(ids_by_sequence: Sequence[IntArray]) -> IntArray:
    """Return one number for each identity of each sequence.

    >>> _number([np.array([7, 3, 7]), np.array([3, 7])]).tolist()
    [1, 0, 1, 2, 3]
    """
    first, numbers = 0, []
    for ids in ids_by_sequence:
        own, labels = np.unique(ids, return_inverse=True)
        numbers.append(first + labels)
        first += len(own)
    return np.concatenate(numbers)


def _progress(blocks: Sequence[Block]) -> Iterable[Block]:
    return tqdm(blocks, desc="comparing embeddings", unit="block", leave=False, disable=None)
