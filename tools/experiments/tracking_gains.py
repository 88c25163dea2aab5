"""Table of the gain of each tracker part, alone and within the preset `strong`.

    python tools/experiments/tracking_gains.py --data data/mot17-half --part train --work runs/gains
    python tools/experiments/tracking_gains.py --data runs/gains/hard --part train --alike 3 --alike-fraction 1 \\
        --work runs/gains --rows fairmot 'strong*' --strong best.yaml

Simulates detection caches of DATA/PART for each of --seeds (detector_stand_in.py), replays them with each row's
configuration (tracking_rows.py), scores, and prints two Markdown tables, also written to `WORK/<data>-<part>.md`:
scores of full sequences, and differences over segments with a paired bootstrap (tracking_bootstrap.py). Results are
reused until the configuration of a row, a cache, the tracker or the evaluation code changes.

`--caches` uses the caches of a trained network, written by `fairmot track --save-cache`, as seed 0.

Protocol: select on the part `train` only; score `val` once, after the selection. Exit code 0; 2 for invalid usage.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from detector_stand_in import SimulatedDetectorOptions, make_options, write_caches
from stand_in_embeddings import AppearanceNoise
from tracking_bootstrap import count_segments
from tracking_report import RowCounts, format_tables
from tracking_rows import Row, all_rows, choose_rows

import fairmot
from fairmot.commands.tune.data import SequencePart
from fairmot.commands.tune.trial import track_part
from fairmot.config.load import dump_cfg
from fairmot.config.node import CfgNode
from fairmot.evaluation.sequences import read_ground_truth
from fairmot.formats.atomic import atomic_write, write_text
from fairmot.formats.detection_cache import read_cache
from fairmot.structures.report import ScoredSequence
from fairmot.synthetic.write import atomic_folder
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map

SOURCES = ("tracking", "evaluation", "structures", "geometry")  # packages whose code affects the scores
DRAWS = 2000


@dataclass(frozen=True)
class GainsExperiment:
    """Data of all rows.

    gt: folder of the sequences. work: folder of caches and counts. name: title of the table. seeds: of the simulated
    detector. frames: approximate length of a segment. network_caches: folder of a trained network's caches, which
    replace the simulated ones. digest: digest of the code and options of the simulated detector.
    """

    gt: Path
    work: Path
    name: str
    seeds: tuple[int, ...]
    frames: int
    network_caches: Path | None = None
    digest: str = ""

    def caches(self, seed: int) -> Path:
        """Return the folder of the caches of a seed."""
        return self.network_caches or self.work / "caches" / self.name / f"seed{seed}-{self.digest}"

    def counts(self, row: Row, seed: int) -> Path:
        """Return the file of the counts of a row and a seed."""
        return self.work / "counts" / self.name / f"seed{seed}" / f"{row.key.replace('/', '-').replace(' ', '_')}.npz"


@dataclass(frozen=True)
class GainsJob:
    """A row, a seed, and the digests of everything that its counts depend on."""

    row: Row
    seed: int
    stamp: str


def make_caches(experiment: GainsExperiment, options: SimulatedDetectorOptions) -> None:
    """Write the missing caches."""
    for seed in experiment.seeds:
        folder = experiment.caches(seed)
        if not folder.is_dir():
            print(f"{folder}: simulated from {experiment.gt}", file=sys.stderr)
            with atomic_folder(folder) as unfinished:
                write_caches(experiment.gt, unfinished, options, seed=seed, camera_motion=True)


def make_jobs(experiment: GainsExperiment, rows: Iterable[Row]) -> list[GainsJob]:
    """Return a job for each row and seed."""
    package = Path(fairmot.__file__).parent
    modules = [package / "commands" / "tune" / "trial.py", Path(__file__).with_name("tracking_bootstrap.py")]
    code = digest_files([*modules, *(path for name in SOURCES for path in (package / name).rglob("*.py"))])
    gt = digest_files(path for name in ("gt.txt", "seqinfo.ini") for path in experiment.gt.rglob(name))
    data = {seed: digest_files(experiment.caches(seed).glob("*.npz")) for seed in experiment.seeds}
    return [
        GainsJob(row, seed, " ".join([code, gt, data[seed], f"{experiment.frames}", _digest_text(dump_cfg(row.cfg))]))
        for row in rows
        for seed in experiment.seeds
    ]


def digest_files(paths: Iterable[Path]) -> str:
    """Return a digest of the names and contents of files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_done(experiment: GainsExperiment, job: GainsJob) -> bool:
    """Whether the counts of the job exist and are up to date."""
    path = experiment.counts(job.row, job.seed)
    if not path.is_file():
        return False
    with np.load(path) as file:
        return str(file["stamp"]) == job.stamp


def run_job(experiment: GainsExperiment, job: GainsJob) -> str:
    """Track, score and write the counts of one job; return the key of its row."""
    tracked = run_row(job.row.cfg, experiment.gt, experiment.caches(job.seed))
    path = experiment.counts(job.row, job.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"full": count_segments(tracked), "segments": count_segments(tracked, experiment.frames)}
    with atomic_write(path) as temporary:
        np.savez(temporary, allow_pickle=False, stamp=np.array(job.stamp), **arrays)
    return job.row.key


def run_row(cfg: CfgNode, gt: Path, caches: Path) -> list[ScoredSequence]:
    """Return the sequences with the tracks of a configuration on their caches, including post-processing."""
    tracked = []
    for sequence in read_ground_truth(gt).sequences:
        cache = read_cache(caches / f"{sequence.info.name}.npz")
        tracked.append(track_part(cfg, SequencePart(tuple(cache.tracker_inputs()), sequence)))
    return tracked


def read_counts(experiment: GainsExperiment, rows: Iterable[Row]) -> Mapping[str, RowCounts]:
    """Return the counts of each row over all seeds, by key."""
    found = {}
    for row in rows:
        full, segments = [], []
        for seed in experiment.seeds:
            with np.load(experiment.counts(row, seed)) as file:
                full.append(file["full"].sum(axis=0))
                segments.append(file["segments"])
        found[row.key] = RowCounts(np.stack(full), np.sum(segments, axis=0))
    return found


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    defaults = AppearanceNoise()
    parser = argparse.ArgumentParser(description="Table of the gain of each tracker part")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/, MOTChallenge sequences")
    parser.add_argument("--part", choices=("train", "val"), default="train")
    parser.add_argument("--work", type=Path, required=True, help="folder of caches, counts and tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of the simulated detector")
    parser.add_argument("--caches", type=Path, metavar="DIR", help="caches of a trained network")
    parser.add_argument("--frames", type=int, default=30, help="approximate length of a bootstrap segment")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="names or patterns (default: all rows)")
    parser.add_argument("--strong", type=Path, metavar="YAML", help="replaces the preset strong")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--alike", type=int, default=defaults.alike, help="persons per group of similar appearance")
    parser.add_argument(
        "--alike-fraction", type=float, default=defaults.alike_fraction, help="fraction of persons in such groups"
    )
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> str:
    """Run the missing jobs, write the tables, and return them."""
    gt = arguments.data / arguments.part
    if not gt.is_dir():
        raise InputError(f"--data: {gt}: no such folder")
    if arguments.frames < 1 or arguments.jobs < 1 or min(arguments.seeds) < 0:
        raise InputError("--frames and --jobs are 1 or more, --seeds 0 or more")
    network_caches, seeds = arguments.caches, tuple(arguments.seeds)
    name = f"{arguments.data.resolve().name}-{arguments.part}"
    if network_caches is not None:
        if not network_caches.is_dir():
            raise InputError(f"--caches: {network_caches}: no such folder")
        name, seeds = f"{name}-own", (0,)
    options = make_options(alike=arguments.alike, alike_fraction=arguments.alike_fraction)
    code = digest_files(Path(__file__).parent.glob("*stand_in*.py"))
    digest = _digest_text(f"{options}{code}")
    experiment = GainsExperiment(gt, arguments.work, name, seeds, arguments.frames, network_caches, digest)
    rows = choose_rows(all_rows(arguments.strong), arguments.rows)
    if network_caches is None:
        make_caches(experiment, options)
    jobs = [job for job in make_jobs(experiment, rows) if not is_done(experiment, job)]
    for number, key in enumerate(parallel_map(partial(run_job, experiment), jobs, processes=arguments.jobs), 1):
        print(f"{number} of {len(jobs)}: {key}", file=sys.stderr, flush=True)
    detections = f"{len(seeds)} seeds of the simulated detector" if network_caches is None else "a trained network"
    text = format_tables(rows, read_counts(experiment, rows), title=name, draws=DRAWS, detections=detections)
    write_text(experiment.work / f"{name}.md", text)
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; return the exit code. An input error is one line on stderr."""
    try:
        print(run(parse_args(argv)), end="")
    except InputError as error:
        print(f"tracking_gains: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
