"""Benchmark of scoring: ours and TrackEval's own pipeline, from files in the MOT17 format to HOTA, CLEAR and identity.

Source: Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021 (TrackEval).
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import trackeval

from fairmot.commands.benchmark.timing import BenchmarkRow, compare, time_alternately
from fairmot.evaluation.evaluator import Evaluator
from fairmot.evaluation.sequences import SequenceSet, add_results, read_ground_truth
from fairmot.formats.motchallenge import write_ground_truth, write_results, write_sequence_info
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

SEQUENCES, FRAMES, PEOPLE = 2, 300, 25  # synthetic; about MOT17's number of boxes per frame
SCORES = ("HOTA", "MOTA", "IDF1", "IDSW")
TOLERANCE = 1e-9
OURS, REFERENCE = "ours", "reference"


def benchmark_eval(
    *, ground_truth: Path | None, results: Path | None, seed: int, repeats: int
) -> Iterator[BenchmarkRow]:
    """Yield the row of scoring result files: seconds to read, preprocess (MOT17's rules) and score all sequences.

    ground_truth, results: a folder of MOTChallenge sequences and one of `<sequence>.txt`; None for synthetic ones.

    Raises InputError if only one of them is given, and AssertionError if SCORES of both differ by more than TOLERANCE.
    """
    if (ground_truth is None) != (results is None):
        raise InputError("--gt and --results: give both or neither")
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        if ground_truth is None or results is None:
            ground_truth, results = root / "gt", root / "results"
            write_synthetic(ground_truth, results, seed=seed)
        sequences = add_results(read_ground_truth(ground_truth), results)
        dataset = link_trackeval_layout(sequences, root / "trackeval")
        runs = {
            OURS: lambda: score_ours(ground_truth, results),
            REFERENCE: lambda: score_trackeval(dataset),
        }
        check_equal(runs[OURS](), runs[REFERENCE]())
        seconds = time_alternately(runs, repeats=repeats)
    frames = sum(sequence.info.length for sequence in sequences.sequences)
    boxes = sum(len(sequence.ground_truth) for sequence in sequences.sequences)
    name = f"mot17, {len(sequences.sequences)} sequences"
    yield compare(name, seconds[OURS], seconds[REFERENCE], extra={"frames": frames, "boxes": boxes})


def score_ours(ground_truth: Path, results: Path) -> dict[str, float]:
    """Read and score the files; return SCORES over all sequences."""
    report = Evaluator("mot17", events=False).evaluate(add_results(read_ground_truth(ground_truth), results).sequences)
    return {name: float(report.combined[name]) for name in SCORES}


def score_trackeval(dataset: dict[str, object]) -> dict[str, float]:
    """Read and score the files with TrackEval; return SCORES over all sequences."""
    names = ("PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES")
    config = {**dict.fromkeys(names, False), "LOG_ON_ERROR": None}
    metrics = [metric({"PRINT_CONFIG": False}) for metric in (trackeval.metrics.CLEAR, trackeval.metrics.Identity)]
    with redirect_stdout(io.StringIO()):
        data = trackeval.datasets.MotChallenge2DBox(dataset)
        scores, _ = trackeval.Evaluator(config).evaluate([data], [trackeval.metrics.HOTA(), *metrics])
    combined = scores["MotChallenge2DBox"]["ours"]["COMBINED_SEQ"]["pedestrian"]
    flat = {**combined["CLEAR"], **combined["Identity"], "HOTA": np.mean(combined["HOTA"]["HOTA"])}
    return {name: float(flat[name]) for name in SCORES}


def link_trackeval_layout(sequences: SequenceSet, folder: Path) -> dict[str, object]:
    """Copy the result files into TrackEval's layout below `folder`; return the configuration of its dataset."""
    (folder / "ours" / "data").mkdir(parents=True)
    for sequence in sequences.sequences:
        (folder / "gt" / sequence.info.name).mkdir(parents=True)
        (folder / "gt" / sequence.info.name / "gt").symlink_to(Path(sequence.ground_truth_source).resolve().parent)
        shutil.copyfile(sequence.results_source, folder / "ours" / "data" / f"{sequence.info.name}.txt")
    return {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder),
        "TRACKERS_TO_EVAL": ["ours"],
        "SEQ_INFO": {sequence.info.name: sequence.info.length for sequence in sequences.sequences},
        "SKIP_SPLIT_FOL": True,
        "PRINT_CONFIG": False,
        "BENCHMARK": "MOT17",
    }


def check_equal(ours: dict[str, float], reference: dict[str, float]) -> None:
    """Raise AssertionError naming a score that differs."""
    for name in SCORES:
        if not abs(ours[name] - reference[name]) <= TOLERANCE:
            raise AssertionError(f"{name}: ours {ours[name]}, TrackEval {reference[name]}")


def write_synthetic(ground_truth: Path, results: Path, *, seed: int) -> None:
    """Write sequences of people on random walks, and results with noise, misses, false positives and switches."""
    for number in range(1, SEQUENCES + 1):
        rng, name = make_rng(seed, number), f"SYN-{number:02d}"
        walks = rng.uniform(0, 900, (1, PEOPLE, 2)) + rng.normal(0, 3, (FRAMES, PEOPLE, 2)).cumsum(0)
        sides = np.broadcast_to(rng.uniform(20, 60, (1, PEOPLE, 1)) * [1.0, 2.5], walks.shape)
        frames, people = (axis.ravel() for axis in np.mgrid[1 : FRAMES + 1, 1 : PEOPLE + 1])
        boxes = np.concatenate([walks, sides], axis=2).reshape(-1, 4)
        write_ground_truth(ground_truth / name / "gt" / "gt.txt", _table(frames, people, boxes))
        write_sequence_info(SequenceInfo(name, ground_truth / name, 30.0, FRAMES, (1080, 1920)))
        found = rng.random(len(boxes)) < 0.8
        noisy = boxes + rng.normal(0, 2, boxes.shape)
        ids = np.where((frames > FRAMES // 2) & (people % 3 == 0), people + PEOPLE, people)
        false = rng.integers(0, len(boxes), len(boxes) // 10)
        table = _table(
            np.concatenate([frames[found], frames[false]]),
            np.concatenate([ids[found], 1000 + np.arange(len(false))]),
            np.concatenate([noisy[found], boxes[false] + [50, 50, 0, 0]]),
        )
        write_results(results / f"{name}.txt", table)


def _table(frames: IntArray, ids: IntArray, boxes_tlwh: FloatArray) -> BoxTable:
    ones = np.ones(len(ids))
    return BoxTable(frames, ids, boxes_tlwh, ones, ones.astype(np.int64), ones)
