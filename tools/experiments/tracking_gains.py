"""What does each part of the tracker gain, alone and together?

    python tools/experiments/tracking_gains.py --data ../shared/data/mot17-half --part train --work runs/gains
    python tools/experiments/tracking_gains.py --data runs/gains/hard --part train --alike 3 --alike-share 1 \\
        --work runs/gains --rows fairmot 'strong*' --strong best.yaml

makes detection caches of the truth in DATA/PART (detector_stand_in.py, a set for each of --seeds), replays them with
each row's configuration (tracking_rows.py), scores, and prints two markdown tables, also in `WORK/<data>-<part>.md`:
scores of whole sequences, and the differences over segments with a paired bootstrap (tracking_bootstrap.py). What has
been scored is not scored again, until the configuration of a row, a cache, the tracker or the scorer changes.

With --caches the detections are a detector's own, saved by `fairmot track --save-cache`: one seed, called 0.

The protocol: choose on the part `train` alone; score `val` once, when nothing is left to be chosen.
Exit code 0; 2 for wrong use.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from detector_stand_in import StandInOptions, make_options, write_caches
from stand_in_looks import LooksOptions
from tracking_bootstrap import count_segments
from tracking_report import Counted, format_tables
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

SOURCES = ("tracking", "evaluation", "structures", "geometry")  # packages whose code decides a score
DRAWS = 2000


@dataclass(frozen=True)
class Bench:
    """What all rows are run on.

    truth: folder of the sequences. work: folder of caches and counts. name: what the table is called.
    seeds: of the stand-in. frames: about how many a segment has. ready: folder of a detector's own caches, which take
    the place of the stand-in's. kind: digest of the stand-in, its code and its options.
    """

    truth: Path
    work: Path
    name: str
    seeds: tuple[int, ...]
    frames: int
    ready: Path | None = None
    kind: str = ""

    def caches(self, seed: int) -> Path:
        """Return the folder of a seed's caches."""
        return self.ready or self.work / "caches" / self.name / f"seed{seed}-{self.kind}"

    def counts(self, row: Row, seed: int) -> Path:
        """Return where a row's counts of a seed are kept."""
        return self.work / "counts" / self.name / f"seed{seed}" / f"{row.key.replace('/', '-').replace(' ', '_')}.npz"


@dataclass(frozen=True)
class Job:
    """A row to be run on the caches of a seed, and what its counts depend on."""

    row: Row
    seed: int
    stamp: str


def make_caches(bench: Bench, options: StandInOptions) -> None:
    """Write the caches that are not there."""
    for seed in bench.seeds:
        folder = bench.caches(seed)
        if not folder.is_dir():
            print(f"{folder}: made from {bench.truth}", file=sys.stderr)
            with atomic_folder(folder) as unfinished:
                write_caches(bench.truth, unfinished, options, seed=seed, camera_motion=True)


def make_jobs(bench: Bench, rows: Iterable[Row]) -> list[Job]:
    """Return all rows and seeds, with their stamps."""
    package = Path(fairmot.__file__).parent
    own = [package / "commands" / "tune" / "trial.py", Path(__file__).with_name("tracking_bootstrap.py")]
    code = digest([*own, *(path for name in SOURCES for path in (package / name).rglob("*.py"))])
    truth = digest(path for name in ("gt.txt", "seqinfo.ini") for path in bench.truth.rglob(name))
    data = {seed: digest(bench.caches(seed).glob("*.npz")) for seed in bench.seeds}
    return [
        Job(row, seed, " ".join([code, truth, data[seed], f"{bench.frames}", _digest_text(dump_cfg(row.cfg))]))
        for row in rows
        for seed in bench.seeds
    ]


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of files, by name and content."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_done(bench: Bench, job: Job) -> bool:
    """Whether the job's counts are there, and nothing changed that they depend on."""
    path = bench.counts(job.row, job.seed)
    if not path.is_file():
        return False
    with np.load(path) as file:
        return str(file["stamp"]) == job.stamp


def do(bench: Bench, job: Job) -> str:
    """Track, score and keep the counts of one job; return its row's key."""
    tracked = run_row(job.row.cfg, bench.truth, bench.caches(job.seed))
    path = bench.counts(job.row, job.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"whole": count_segments(tracked), "segments": count_segments(tracked, bench.frames)}
    with atomic_write(path) as temporary:
        np.savez(temporary, allow_pickle=False, stamp=np.array(job.stamp), **arrays)
    return job.row.key


def run_row(cfg: CfgNode, truth: Path, caches: Path) -> list[ScoredSequence]:
    """Return the sequences with what a configuration tracks of their caches, the offline steps included."""
    tracked = []
    for sequence in read_ground_truth(truth).sequences:
        cache = read_cache(caches / f"{sequence.info.name}.npz")
        tracked.append(track_part(cfg, SequencePart(tuple(cache.tracker_inputs()), sequence)))
    return tracked


def read_counts(bench: Bench, rows: Iterable[Row]) -> Mapping[str, Counted]:
    """Return each row's counts of all seeds, by key."""
    found = {}
    for row in rows:
        whole, segments = [], []
        for seed in bench.seeds:
            with np.load(bench.counts(row, seed)) as file:
                whole.append(file["whole"].sum(axis=0))
                segments.append(file["segments"])
        found[row.key] = Counted(np.stack(whole), np.sum(segments, axis=0))
    return found


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    looks = LooksOptions()
    parser = argparse.ArgumentParser(description="A table of what each part of the tracker gains")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/, MOTChallenge sequences")
    parser.add_argument("--part", choices=("train", "val"), default="train")
    parser.add_argument("--work", type=Path, required=True, help="folder of caches, counts and tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the stand-in")
    parser.add_argument("--caches", type=Path, metavar="DIR", help="a detector's caches, instead of the stand-in's")
    parser.add_argument("--frames", type=int, default=30, help="of a segment of the bootstrap, about")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="names or patterns (default: all rows)")
    parser.add_argument("--strong", type=Path, metavar="YAML", help="stands for the preset strong")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--alike", type=int, default=looks.alike, help="people in a group that dresses alike")
    parser.add_argument("--alike-share", type=float, default=looks.alike_share, help="share of people in such groups")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace) -> str:
    """Do what is not done, write the tables, and return them."""
    truth = arguments.data / arguments.part
    if not truth.is_dir():
        raise InputError(f"--data: {truth}: no such folder")
    if arguments.frames < 1 or arguments.jobs < 1 or min(arguments.seeds) < 0:
        raise InputError("--frames and --jobs are 1 or more, --seeds 0 or more")
    ready, seeds = arguments.caches, tuple(arguments.seeds)
    name = f"{arguments.data.resolve().name}-{arguments.part}"
    if ready is not None:
        if not ready.is_dir():
            raise InputError(f"--caches: {ready}: no such folder")
        name, seeds = f"{name}-own", (0,)
    options = make_options(alike=arguments.alike, alike_share=arguments.alike_share)
    stand_in = digest(path for path in Path(__file__).parent.glob("*stand_in*.py") if "test" not in path.name)
    kind = _digest_text(f"{options}{stand_in}")
    bench = Bench(truth, arguments.work, name, seeds, arguments.frames, ready, kind)
    rows = choose_rows(all_rows(arguments.strong), arguments.rows)
    if ready is None:
        make_caches(bench, options)
    jobs = [job for job in make_jobs(bench, rows) if not is_done(bench, job)]
    for place, key in enumerate(parallel_map(partial(do, bench), jobs, processes=arguments.jobs), 1):
        print(f"{place} of {len(jobs)}: {key}", file=sys.stderr, flush=True)
    of = f"{len(seeds)} seeds of the stand-in together" if ready is None else "a detector's own caches"
    text = format_tables(rows, read_counts(bench, rows), title=name, draws=DRAWS, of=of)
    write_text(bench.work / f"{name}.md", text)
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; a user's mistake is one line on stderr and exit code 2."""
    try:
        print(run(parse_args(argv)), end="")
    except InputError as error:
        print(f"tracking_gains: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
