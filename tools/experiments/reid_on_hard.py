"""Does re-identification matter on the synthetic preset `hard`?

The same true boxes, with drop-outs, go to the same tracker three times:

- motion: the appearance cost set to 0 (`TRACKER.USE_APPEARANCE False`); gate and motion stay;
- trained: embeddings that a trained network reads at the boxes (MODEL.REID_SAMPLING);
- perfect: embeddings that tell every person from every other.

    python tools/experiments/reid_on_hard.py --config configs/synthetic_hard.yaml \\
        --weights runs/synthetic_hard/train/last.pt

prints a row a seed. Exit code 0 when `trained` beats `motion` by 3 points of IDF1 on every seed, 1 when it does not, 2
for wrong use.
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

LEAST_GAIN = 0.03  # IDF1 that trained embeddings must add to motion, on every seed
FIRST_SEED = 9001  # `fairmot synthesize` draws seeds of eight digits, so these are no training sequences
SHOWN = ("IDF1", "HOTA", "IDSW")
Scores = Mapping[str, float]


@dataclass(frozen=True)
class DropOuts:
    """Which true boxes a detector would miss.

    visibility: boxes at this visibility and below are never seen.
    single: share of the others that is missed, each by itself.
    burst: chance that a run of missed frames begins at a box; burst_frames: its least and greatest length.
    """

    visibility: float = 0.2
    single: float = 0.05
    burst: float = 0.005
    burst_frames: tuple[int, int] = (4, 15)


@dataclass(frozen=True)
class SeedScores:
    """One sequence tracked three ways: scores under TrackEval's names, and the share of its boxes that was given."""

    name: str
    motion: Scores
    trained: Scores
    perfect: Scores
    share_kept: float

    @property
    def gain(self) -> float:
        """IDF1 of the trained embeddings over that of motion alone."""
        return self.trained["IDF1"] - self.motion["IDF1"]


def scored_people(truth: BoxTable) -> BoxTable:
    """Return the rows that scoring counts (class 1, mark 1), by frame and identity."""
    people = truth[(truth.classes == 1) & (truth.confidences == 1)]
    return people[np.lexsort((people.ids, people.frames))]


def drop_out(table: BoxTable, missing: DropOuts, rng: np.random.Generator) -> BoxTable:
    """Return the rows of `table` that are detected; their order stays."""
    kept = (table.visibilities > missing.visibility) & (rng.random(len(table)) >= missing.single)
    for identity in np.unique(table.ids):
        rows = np.flatnonzero(table.ids == identity)
        kept[rows] &= ~_in_bursts(table.frames[rows], missing, rng)
    return table[kept]


def _in_bursts(frames: IntArray, missing: DropOuts, rng: np.random.Generator) -> BoolArray:
    """(N,) whether each of one person's frames lies in a run that began at one of them."""
    low, high = missing.burst_frames
    starts = frames[rng.random(len(frames)) < missing.burst]
    ends = starts + rng.integers(low, high + 1, len(starts))
    return np.asarray(((frames[:, None] >= starts) & (frames[:, None] < ends)).any(axis=1))


def perfect_embeddings(table: BoxTable) -> FloatArray:
    """(N, identities) one-hot rows: the same person at cosine distance 0, everybody else at 1."""
    identities, labels = np.unique(table.ids, return_inverse=True)
    return np.asarray(np.eye(len(identities), dtype=np.float32)[labels])


def trained_embeddings(predictor: Predictor, folder: Path, table: BoxTable) -> FloatArray:
    """Return (N, D) unit embeddings of the rows of `table`, read in the frames of the sequence at `folder`."""
    rows, embeddings = embed_rows(predictor, folder, table)
    return embeddings[np.argsort(rows)]


def as_observations(table: BoxTable, embeddings: FloatArray, length: int) -> Iterator[TrackerInput]:
    """Yield the detections, all of score 1, of each of `length` frames."""
    for number in range(1, length + 1):
        rows = np.flatnonzero(table.frames == number)
        boxes_xyxy = tlwh_to_xyxy(table.boxes_tlwh[rows]).astype(np.float32)
        scores = np.ones(len(rows), dtype=np.float32)
        yield TrackerInput(number, Detections(boxes_xyxy, scores, embeddings[rows]))


def track_and_score(cfg: CfgNode, truth: ScoredSequence, table: BoxTable, embeddings: FloatArray) -> Scores:
    """Return the scores of the configuration's tracker over the rows of `table`, against the whole `truth`."""
    tracker = build_tracker(cfg, frame_rate=truth.info.frame_rate)
    observations = as_observations(table, embeddings, truth.info.length)
    table = to_table(track_sequence(observations, tracker, filters=build_filters(cfg)))
    return evaluate_tables([replace(truth, results=table)], protocol="mot17").combined


def without_appearance(cfg: CfgNode) -> CfgNode:
    """Return the configuration with the appearance cost set to 0."""
    values = cfg_to_dict(cfg)
    values["TRACKER"]["USE_APPEARANCE"] = False
    return cfg_from_dict(values)


def compare(
    cfg: CfgNode, predictor: Predictor, folder: Path, *, missing: DropOuts, rng: np.random.Generator
) -> SeedScores:
    """Track the true boxes of the sequence `folder` three ways and score each."""
    (truth,) = read_ground_truth(folder).sequences
    people = scored_people(truth.ground_truth)
    seen = drop_out(people, missing, rng)
    perfect = perfect_embeddings(seen)
    return SeedScores(
        name=truth.info.name,
        motion=track_and_score(without_appearance(cfg), truth, seen, perfect),
        trained=track_and_score(cfg, truth, seen, trained_embeddings(predictor, folder, seen)),
        perfect=track_and_score(cfg, truth, seen, perfect),
        share_kept=len(seen) / max(1, len(people)),
    )


def compare_seeds(
    cfg: CfgNode, predictor: Predictor, worlds: Sequence[WorldOptions], *, work: Path, missing: DropOuts
) -> list[SeedScores]:
    """Render each world below `work` and compare on it; the drop-outs depend on the world's seed alone."""
    results = []
    for options in worlds:
        write_sequence(build_world(options), work, overwrite=True)
        rng = make_rng(options.seed, 1)
        results.append(compare(cfg, predictor, work / options.name, missing=missing, rng=rng))
    return results


def load_predictor(cfg: CfgNode, weights: Path) -> Predictor:
    """Return the configuration's predictor with `weights`, on its device."""
    model = build_model(cfg)
    load_weights(model, weights)
    return build_predictor(cfg, prepare_for_inference(model), device=resolve_device(cfg.DEVICE))


def format_table(results: Sequence[SeedScores]) -> str:
    """Return a row a sequence and the mean: IDF1, HOTA and switches of each way, and the gains of IDF1 over motion."""
    ways = ("motion", "trained", "perfect")
    titles = ["sequence", "boxes", *(f"{way} {name}" for name in SHOWN for way in ways), "gain", "perfect gain"]
    numbers = np.array([_numbers(result, ways) for result in results])
    labels = [*(result.name for result in results), "mean"]
    rows = [[label, *_cells(row)] for label, row in zip(labels, [*numbers, numbers.mean(axis=0)], strict=True)]
    widths = [max(len(row[column]) for row in [titles, *rows]) for column in range(len(titles))]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in [titles, *rows])


def _numbers(result: SeedScores, ways: Sequence[str]) -> list[float]:
    scores = [getattr(result, way)[name] for name in SHOWN for way in ways]
    return [result.share_kept, *scores, result.gain, result.perfect["IDF1"] - result.motion["IDF1"]]


def _cells(numbers: FloatArray) -> list[str]:
    """Shares in percent and counts as they are: of the numbers only switches are no shares."""
    switches = range(1 + 3 * SHOWN.index("IDSW"), 4 + 3 * SHOWN.index("IDSW"))
    return [f"{value:.0f}" if place in switches else f"{100 * value:.1f}" for place, value in enumerate(numbers)]


def shortfalls(results: Sequence[SeedScores], *, least: float = LEAST_GAIN) -> list[str]:
    """Return a line for each sequence, and for the mean, whose gain is below `least`."""
    gains = {result.name: result.gain for result in results}
    gains["mean"] = float(np.mean([result.gain for result in results]))
    return [
        f"{name}: the trained embeddings gain {100 * gain:.1f} points of IDF1 over motion, {100 * least:.1f} are wanted"
        for name, gain in gains.items()
        if gain < least
    ]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Trained embeddings against motion alone", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the network and the tracker")
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint")
    parser.add_argument("--seeds", type=int, default=3, help="how many sequences")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="seed of the first; the others follow")
    parser.add_argument("--frames", type=int, default=600, help="frames of each sequence")
    parser.add_argument("--preset", default="hard", help="of the synthetic world")
    parser.add_argument("--work", type=Path, help="folder to keep the rendered sequences in (default: kept nowhere)")
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
    with tempfile.TemporaryDirectory() as passing:
        results = compare_seeds(cfg, predictor, worlds, work=arguments.work or Path(passing), missing=DropOuts())
    print(format_table(results))
    failed = shortfalls(results)
    print("\n".join(failed) or f"every seed gains {100 * LEAST_GAIN:.0f} points of IDF1 or more")
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; a user's mistake is one line on stderr and exit code 2."""
    try:
        return run(parse_args(argv))
    except InputError as error:
        print(f"reid_on_hard: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
