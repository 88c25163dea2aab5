"""Re-identification score of a model's embeddings at the ground-truth boxes, for `fairmot eval` with EVAL.REID."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fairmot.commands.run import resolve_device
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.reid import ReidScores, score_embeddings, scored_boxes
from fairmot.evaluation.sequences import read_ground_truth
from fairmot.formats.atomic import write_text
from fairmot.formats.download import locate
from fairmot.formats.motchallenge import without_copies
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weights import load_weights
from fairmot.structures.sequence import BoxTable
from fairmot.video.source import open_frames


def evaluate_reid(cfg: CfgNode, *, weights: Path, ground_truth: Path, output: Path) -> ReidScores:
    """Embed the scored boxes of every frame under `ground_truth` with `weights`, and score all pairs of them.

    Identities are counted per sequence; of a sequence's copies for several detectors one is used. Writes
    `output/reid.json`.
    """
    model = build_model(cfg)
    load_weights(model, locate(weights).path)
    device = resolve_device(cfg.DEVICE)
    predictor = build_predictor(cfg, prepare_for_inference(model.to(device)), device=device)
    found = read_ground_truth(ground_truth).sequences
    kept = set(without_copies([sequence.info.root for sequence in found]))
    sequences = [sequence for sequence in found if sequence.info.root in kept]
    protocol = choose_protocol(sequences, cfg.EVAL.PROTOCOL, classes=cfg.DATA.CLASSES).protocol
    tables, embeddings = [], []
    for sequence in sequences:
        table = scored_boxes(sequence, protocol, classes=cfg.DATA.CLASSES)
        rows, embedded = embed_rows(predictor, sequence.info.root, table)
        tables.append(table[rows])
        embeddings.append(embedded)
    scores = score_embeddings(
        np.concatenate(embeddings),
        _number_identities([table.ids for table in tables]),
        classes=np.concatenate([table.classes for table in tables]),
        progress=partial(tqdm, desc="comparing embeddings", unit="block", leave=False, disable=None),
    )
    text = json.dumps({**scores.to_dict(), "sampling": cfg.MODEL.REID_SAMPLING}, indent=1, allow_nan=False)
    write_text(output / "reid.json", text + "\n")
    return scores


def embed_rows(predictor: Predictor, folder: Path, table: BoxTable) -> tuple[IntArray, FloatArray]:
    """Embed the rows of `table` in the frames of the sequence at `folder`.

    Returns the (N,) row indices by frame, without rows whose frame has no image, and (N, D) embeddings of unit length.
    """
    rows, embeddings = [], []
    with open_frames(str(folder)) as frames:
        description = f"embedding {frames.name}"
        for frame in tqdm(frames, description, frames.length, leave=False, unit="frame", disable=None):
            rows.append(np.flatnonzero(table.frames == frame.index))
            embeddings.append(predictor.embed(frame.image, tlwh_to_xyxy(table.boxes_tlwh[rows[-1]])))
    return np.concatenate(rows), np.concatenate(embeddings)


def _number_identities(ids_by_sequence: Sequence[IntArray]) -> IntArray:
    """Return one number for each identity of each sequence.

    >>> _number_identities([np.array([7, 3, 7]), np.array([3, 7])]).tolist()
    [1, 0, 1, 2, 3]
    """
    count, numbers = 0, []
    for ids in ids_by_sequence:
        unique, labels = np.unique(ids, return_inverse=True)
        numbers.append(count + labels)
        count += len(unique)
    return np.concatenate(numbers)
