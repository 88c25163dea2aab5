"""`fairmot synthesize`: synthetic datasets, as MOTChallenge sequences or as still images in CrowdHuman's layout."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fairmot.config.load import load_cfg
from fairmot.synthetic.options import PRESETS, WorldOptions
from fairmot.synthetic.statistics import measure_occlusion
from fairmot.synthetic.still_images import ANNOTATION, count_rows, require_new_still_images, write_still_images
from fairmot.synthetic.world import build_world
from fairmot.synthetic.write import require_new_folder, write_sequence
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map
from fairmot.utils.seed import make_rng

MOT, CROWDHUMAN = "mot", "crowdhuman"
FRAMES = {MOT: 300, CROWDHUMAN: 1}  # default of --frames

EXAMPLES = """\
fairmot synthesize --output runs/world --sequences 4 --frames 300 --seed 1
fairmot synthesize --output runs/stills --layout crowdhuman --sequences 200 --preset hard
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `fairmot synthesize`."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for sequences or images")
    parser.add_argument("--layout", default=MOT, metavar="NAME", help="mot (sequences) or crowdhuman (still images)")
    parser.add_argument("--frames", type=int, metavar="N", help="frames of a sequence (default: 300; crowdhuman: 1)")
    parser.add_argument("--sequences", type=int, metavar="N", default=1, help="number of sequences, or of still scenes")
    parser.add_argument("--seed", type=int, metavar="N", help="random seed (default: SEED)")
    parser.add_argument("--preset", default="easy", metavar="NAME", help=" or ".join(PRESETS))
    parser.add_argument("--size", default="270x480", metavar="HxW", help="image height and width in pixels")
    parser.add_argument("--height", type=int, metavar="N", help="image height in pixels, instead of --size")
    parser.add_argument("--width", type=int, metavar="N", help="image width in pixels, instead of --size")
    parser.add_argument("--fps", type=float, metavar="RATE", default=30.0, help="frames per second")
    parser.add_argument("--people", type=int, metavar="N", help="number of people at a time (default: the preset's)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing sequences")
    parser.add_argument("--config", metavar="FILE", help="YAML configuration; only SEED is read")
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="configuration overrides; only SEED is read")


def main(arguments: argparse.Namespace) -> int:
    """Render all sequences or still images and print their statistics."""
    cfg = load_cfg(arguments.config, arguments.overrides)
    if arguments.layout not in FRAMES:
        raise InputError(f"--layout: unknown {arguments.layout!r}; choose from {', '.join(FRAMES)}")
    if arguments.sequences < 1:
        raise InputError(f"--sequences: {arguments.sequences} is below 1")
    seed = cfg.SEED if arguments.seed is None else arguments.seed
    plans = [_options(arguments, sequence_seed(seed, index)) for index in range(arguments.sequences)]
    if arguments.layout == CROWDHUMAN:
        print(synthesize_stills(plans, arguments.output, overwrite=arguments.overwrite))
        return 0
    for options in plans:
        require_new_folder(arguments.output / options.name, overwrite=arguments.overwrite)
    if len(plans) == 1:
        print(synthesize(plans[0], arguments.output, overwrite=arguments.overwrite, shows_progress=True))
        return 0
    render = partial(synthesize, root=arguments.output, overwrite=arguments.overwrite)
    lines = parallel_map(render, plans)
    for line in tqdm(lines, total=len(plans), desc="rendering", unit="sequence", disable=None, leave=False):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    return 0


def sequence_seed(seed: int, index: int) -> int:
    """Return the seed of sequence `index` (from 0): eight digits."""
    if seed < 0:
        raise InputError(f"--seed: {seed} is below 0")
    return int(make_rng(seed, index).integers(10**8))


def synthesize(options: WorldOptions, root: Path, *, overwrite: bool = False, shows_progress: bool = False) -> str:
    """Render one sequence under `root` and return one line of its statistics."""
    started = time.perf_counter()
    disabled = None if shows_progress else True
    with tqdm(total=options.frames, desc=options.name, unit="frame", disable=disabled, leave=False) as bar:
        ground_truth = write_sequence(build_world(options), root, overwrite=overwrite, progress=bar.update)
    rate = options.frames / (time.perf_counter() - started)
    found = measure_occlusion(ground_truth, options.size_hw)
    return (
        f"{root / options.name}: {options.frames} frames, {found.people} people, {found.boxes} boxes, "
        f"{found.crossings} pairs cross at IoU > 0.3, {found.occlusions} occlusions of 10 frames and more at "
        f"visibility < 0.2, {found.hidden_fraction:.1%} of boxes below visibility 0.25, {rate:.1f} frames/s"
    )


def synthesize_stills(plans: Sequence[WorldOptions], root: Path, *, overwrite: bool = False) -> str:
    """Render each frame of `plans` as a still image under `root` and return one line of their statistics."""
    started = time.perf_counter()
    require_new_still_images(root, overwrite=overwrite)
    worlds = write_still_images(plans, root, overwrite=overwrite)
    progress = tqdm(worlds, total=len(plans), desc="rendering", unit="scene", disable=None, leave=False)
    records = [record for scene in progress for record in scene]
    rate = len(records) / (time.perf_counter() - started)
    people, ignored = count_rows(records)
    return f"{root / ANNOTATION}: {len(records)} images, {people} people, {ignored} ignored, {rate:.1f} images/s"


def _options(arguments: argparse.Namespace, seed: int) -> WorldOptions:
    match = re.fullmatch(r"(\d+)x(\d+)", arguments.size)
    if match is None:
        raise InputError(f"--size: {arguments.size!r} is not HxW, e.g. 270x480")
    height = int(match[1]) if arguments.height is None else arguments.height
    width = int(match[2]) if arguments.width is None else arguments.width
    frames = FRAMES[arguments.layout] if arguments.frames is None else arguments.frames
    return WorldOptions(arguments.preset, seed, frames, (height, width), arguments.fps, arguments.people)
