"""Benchmark of re-identification on the synthetic preset `hard`.

The same ground-truth boxes, with simulated misses, are tracked three times by the same tracker:

- motion: without the appearance cost (`TRACKER.USE_APPEARANCE False`); gate and motion stay;
- trained: embeddings of a trained network at the boxes (MODEL.REID_SAMPLING);
- perfect: one-hot embeddings of the ground-truth identities.

    python tools/experiments/reid_on_hard.py --config configs/synthetic_hard.yaml \\
        --weights runs/synthetic_hard/train/last.pt

Prints a row per seed. Exit code 0 if `trained` exceeds `motion` by 3 points of IDF1 on every seed, 1 if not, 2 for
invalid usage.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fairmot.commands.evaluate.reid import embed_rows
from fairmot.commands.run import resolve_device
from fairmot.config.load import cfg_from_dict, cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.evaluation.evaluator import evaluate_tables
from fairmot.evaluation.sequences import read_ground_truth
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.models.weights import load_weights
from fairmot.structures.detections import Detections
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.structures.tracker_input import TrackerInput
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.world import build_world
from fairmot.synthetic.write import write_sequence
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import to_table, track_sequence
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

MIN_GAIN = 0.03  # in IDF1, of trained embeddings over motion, on every seed
FIRST_SEED = 9001  # `fairmot synthesize` draws seeds of eight digits, so these are not training sequences
METRICS = ("IDF1", "HOTA", "IDSW")
Scores = Mapping[str, float]


@dataclass(frozen=True)
class SimulatedMisses:
    """Simulated missed detections.

    visibility: boxes at this visibility and below are alvariants missed.
    single: fraction of the other boxes that is missed independently.
    burst: probability that consecutive misses start at a box. burst_frames: their minimum and maximum number.
    """

    visibility: float = 0.2
    single: float = 0.05
    burst: float = 0.005
    burst_frames: tuple[int, int] = (4, 15)


@dataclass(frozen=True)
class SeedScores:
    """Scores of the three variants on one sequence, by TrackEval's names, and the fraction of detected boxes."""

    name: str
    motion: Scores
    trained: Scores
    perfect: Scores
    detected_fraction: float

    @property
    def gain(self) -> float:
        """IDF1 of the trained embeddings over that of motion alone."""
        return self.trained["IDF1"] - self.motion["IDF1"]


def scored_people(ground_truth: BoxTable) -> BoxTable:
    """Return the rows that are scored (class 1, consider flag 1), by frame and identity."""
    people = ground_truth[(ground_truth.classes == 1) & (ground_truth.confidences == 1)]
    return people[np.lexsort((people.ids, people.frames))]


def remove_misses(table: BoxTable, misses: SimulatedMisses, rng: np.random.Generator) -> BoxTable:
    """Return the detected rows of `table`, in the same order."""
    kept = (table.visibilities > misses.visibility) & (rng.random(len(table)) >= misses.single)
    for identity in np.unique(table.ids):
        rows = np.flatnonzero(table.ids == identity)
        kept[rows] &= ~_in_bursts(table.frames[rows], misses, rng)
    return table[kept]


def _in_bursts(frames: IntArray, misses: SimulatedMisses, rng: np.random.Generator) -> BoolArray:
    """(N,) whether each frame of a person is within a burst of misses."""
    low, high = misses.burst_frames
    starts = frames[rng.random(len(frames)) < misses.burst]
    ends = starts + rng.integers(low, high + 1, len(starts))
    return np.asarray(((frames[:, None] >= starts) & (frames[:, None] < ends)).any(axis=1))


def perfect_embeddings(table: BoxTable) -> FloatArray:
    """(N, identities) one-hot rows: cosine distance 0 to the same person, 1 to others."""
    identities, labels = np.unique(table.ids, return_inverse=True)
    return np.asarray(np.eye(len(identities), dtype=np.float32)[labels])


def trained_embeddings(predictor: Predictor, folder: Path, table: BoxTable) -> FloatArray:
    """Return (N, D) unit embeddings of the rows of `table` in the images of the sequence at `folder`."""
    rows, embeddings = embed_rows(predictor, folder, table)
    return embeddings[np.argsort(rows)]


def tracker_inputs(table: BoxTable, embeddings: FloatArray, length: int) -> Iterator[TrackerInput]:
    """Yield the detections of each of `length` frames, all with score 1."""
    for number in range(1, length + 1):
        rows = np.flatnonzero(table.frames == number)
        boxes_xyxy = tlwh_to_xyxy(table.boxes_tlwh[rows]).astype(np.float32)
        scores = np.ones(len(rows), dtype=np.float32)
        yield TrackerInput(number, Detections(boxes_xyxy, scores, embeddings[rows]))


def track_and_score(cfg: CfgNode, sequence: ScoredSequence, table: BoxTable, embeddings: FloatArray) -> Scores:
    """Return the scores of the configuration's tracker over the rows of `table`, against the full `sequence`."""
    tracker = build_tracker(cfg, frame_rate=sequence.info.frame_rate)
    inputs = tracker_inputs(table, embeddings, sequence.info.length)
    table = to_table(track_sequence(inputs, tracker, filters=build_filters(cfg)))
    return evaluate_tables([replace(sequence, results=table)], protocol="mot17").combined


def without_appearance(cfg: CfgNode) -> CfgNode:
    """Return the configuration with the appearance cost set to 0."""
    values = cfg_to_dict(cfg)
    values["TRACKER"]["USE_APPEARANCE"] = False
    return cfg_from_dict(values)


def compare(
    cfg: CfgNode, predictor: Predictor, folder: Path, *, misses: SimulatedMisses, rng: np.random.Generator
) -> SeedScores:
    """Track the ground-truth boxes of a sequence with the three variants, and score each."""
    (sequence,) = read_ground_truth(folder).sequences
    people = scored_people(sequence.ground_truth)
    detected = remove_misses(people, misses, rng)
    perfect = perfect_embeddings(detected)
    return SeedScores(
        name=sequence.info.name,
        motion=track_and_score(without_appearance(cfg), sequence, detected, perfect),
        trained=track_and_score(cfg, sequence, detected, trained_embeddings(predictor, folder, detected)),
        perfect=track_and_score(cfg, sequence, detected, perfect),
        detected_fraction=len(detected) / max(1, len(people)),
    )


def compare_seeds(
    cfg: CfgNode, predictor: Predictor, worlds: Sequence[WorldOptions], *, work: Path, misses: SimulatedMisses
) -> list[SeedScores]:
    """Render each world below `work` and compare on it; the misses depend on the seed of the world only."""
    results = []
    for options in worlds:
        write_sequence(build_world(options), work, overwrite=True)
        rng = make_rng(options.seed, 1)
        results.append(compare(cfg, predictor, work / options.name, misses=misses, rng=rng))
    return results


def load_predictor(cfg: CfgNode, weights: Path) -> Predictor:
    """Return the configuration's predictor with `weights`, on its device."""
    model = build_model(cfg)
    load_weights(model, weights)
    return build_predictor(cfg, prepare_for_inference(model), device=resolve_device(cfg.DEVICE))


def format_table(results: Sequence[SeedScores]) -> str:
    """Return a table with a row per sequence and the mean: IDF1, HOTA, IDSW of each variant, and IDF1 gains."""
    variants = ("motion", "trained", "perfect")
    titles = [
        "sequence",
        "boxes",
        *(f"{variant} {name}" for name in METRICS for variant in variants),
        "gain",
        "perfect gain",
    ]
    numbers = np.array([_numbers(result, variants) for result in results])
    labels = [*(result.name for result in results), "mean"]
    rows = [[label, *_cells(row)] for label, row in zip(labels, [*numbers, numbers.mean(axis=0)], strict=True)]
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in [titles, *rows])


def _numbers(result: SeedScores, variants: Sequence[str]) -> list[float]:
    scores = [getattr(result, variant)[name] for name in METRICS for variant in variants]
    return [result.detected_fraction, *scores, result.gain, result.perfect["IDF1"] - result.motion["IDF1"]]


def _cells(numbers: FloatArray) -> list[str]:
    """Fractions in percent; identity switches as counts."""
    switches = range(1 + 3 * METRICS.index("IDSW"), 4 + 3 * METRICS.index("IDSW"))
    return [f"{value:.0f}" if index in switches else f"{100 * value:.1f}" for index, value in enumerate(numbers)]


def shortfalls(results: Sequence[SeedScores], *, minimum: float = MIN_GAIN) -> list[str]:
    """Return a line for each sequence, and for the mean, whose gain is below `minimum`."""
    gains = {result.name: result.gain for result in results}
    gains["mean"] = float(np.mean([result.gain for result in results]))
    return [
        f"{name}: trained embeddings gain {100 * gain:.1f} points of IDF1 over motion, minimum {100 * minimum:.1f}"
        for name, gain in gains.items()
        if gain < minimum
    ]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Trained embeddings against motion alone", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the network and the tracker")
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint")
    parser.add_argument("--seeds", type=int, default=3, help="number of sequences")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="seed of the first; the others follow")
    parser.add_argument("--frames", type=int, default=600, help="frames of each sequence")
    parser.add_argument("--preset", default="hard", help="preset of the synthetic world")
    parser.add_argument("--work", type=Path, help="folder of the rendered sequences (default: temporary)")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> int:
    """Compare on every seed, print the table, and return the exit code."""
    if arguments.seeds < 1:
        raise InputError(f"--seeds: {arguments.seeds} is below 1")
    cfg = load_cfg(arguments.config, arguments.overrides)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    worlds = [WorldOptions(arguments.preset, seed, arguments.frames) for seed in seeds]
    predictor = load_predictor(cfg, arguments.weights)
    with tempfile.TemporaryDirectory() as temporary:
        results = compare_seeds(
            cfg, predictor, worlds, work=arguments.work or Path(temporary), misses=SimulatedMisses()
        )
    print(format_table(results))
    failed = shortfalls(results)
    print("\n".join(failed) or f"every seed gains {100 * MIN_GAIN:.0f} points of IDF1 or more")
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code. An input error is one line on stderr."""
    try:
        return run(parse_args(argv))
    except InputError as error:
        print(f"reid_on_hard: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
