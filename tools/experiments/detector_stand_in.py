"""Simulated detector: detection caches from ground truth, without a trained network.

    python tools/experiments/detector_stand_in.py --gt data/mot17-half/train --output runs/stand_in --seed 1
    python tools/experiments/detector_stand_in.py --gt DIR --output DIR --alike 3 --alike-fraction 1 --camera-motion

Writes `OUTPUT/<sequence>.npz`, a detection cache (fairmot/formats/detection_cache.py) for `fairmot track --replay` and
`fairmot tune`. The same seed and sequence give the same file.

- Persons are missed for several consecutive frames, more often the more they are occluded; scores depend on visibility.
- Box noise is autocorrelated, proportional to the height, and grows with occlusion.
- False positives: ignored objects of the ground truth, static background positions (fixed in the image), duplicates,
  and single frames. Their scores overlap with those of persons.
- Embeddings are noisy, mixed with those of occluders, drift slowly, and are similar within groups of persons.
- `--camera-motion` adds the camera motion, estimated by optical flow on the images.

Exit code 0; 2 for invalid usage.
"""

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from stand_in_clutter import (
    ClutterOptions,
    SimulatedBoxes,
    duplicate_detections,
    single_frame_false_positives,
    static_false_positives,
)
from stand_in_embeddings import AppearanceNoise, simulate_embeddings
from stand_in_people import TruePositiveOptions, jitter_boxes, score_people
from stand_in_scene import Scene, build_scene

from fairmot.evaluation.sequences import read_ground_truth
from fairmot.formats.detection_cache import MIN_SAVED_SCORE, DetectionCache, write_cache
from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import list_images
from fairmot.structures.detections import Detections
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import SequenceInfo
from fairmot.tracking.camera_motion import FlowMotion
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

MASK_THRESHOLD = 0.4  # detections with higher scores are masked in camera-motion estimation


@dataclass(frozen=True)
class SimulatedDetectorOptions:
    """Parameters of the simulated detector."""

    people: TruePositiveOptions = field(default_factory=TruePositiveOptions)
    embeddings: AppearanceNoise = field(default_factory=AppearanceNoise)
    clutter: ClutterOptions = field(default_factory=ClutterOptions)


def detect(sequence: ScoredSequence, options: SimulatedDetectorOptions, *, seed: int) -> DetectionCache:
    """Return simulated detections of a sequence, determined by `seed`, the sequence name, its ground truth and options.

    Each part has its own random generator; the parameters of one part do not affect the others.
    """
    rngs = [make_rng(seed, zlib.crc32(sequence.info.name.encode()), part) for part in range(7)]
    scene = build_scene(sequence.info, sequence.ground_truth, rngs[0])
    people = SimulatedBoxes(
        scene.frames,
        jitter_boxes(scene, options.people, rngs[1]),
        score_people(scene, options.people, rngs[2]),
        simulate_embeddings(scene, options.embeddings, rngs[3]),
    )
    parts = (
        people,
        duplicate_detections(scene, people, options.clutter, rngs[4]),
        static_false_positives(scene, options.clutter, options.embeddings, rngs[5]),
        single_frame_false_positives(scene, options.clutter, options.embeddings, rngs[6]),
    )
    return to_cache(parts, scene)


def to_cache(parts: Sequence[SimulatedBoxes], scene: Scene) -> DetectionCache:
    """Return the detections of all parts by frame, in descending order of score."""
    frames = np.concatenate([part.frames for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    boxes = np.concatenate([part.boxes_xyxy for part in parts])
    embeddings = np.concatenate([part.embeddings for part in parts])
    order = np.lexsort((-scores, frames))
    order = order[scores[order] >= MIN_SAVED_SCORE]
    ends = np.searchsorted(frames[order], np.arange(scene.length + 1))
    return DetectionCache.from_frames(
        (
            Detections(boxes[rows], scores[rows], embeddings[rows])
            for rows in (order[start:end] for start, end in pairwise(ends))
        ),
        frame_rate=scene.frame_rate,
    )


def add_camera_motion(cache: DetectionCache, info: SequenceInfo) -> DetectionCache:
    """Return the cache with the camera motion by optical flow, with detections masked.

    Raises InputError for missing or unreadable images.
    """
    flow = FlowMotion()
    images = list_images(info.root / info.image_dir)
    if len(images) < info.length:
        raise InputError(f"{info.root / info.image_dir}: {len(images)} images of {info.length} frames")
    motions = [
        flow.update(read_image(path), frame.boxes_xyxy[frame.scores > MASK_THRESHOLD])
        for path, frame in zip(images, cache.frames(), strict=False)
    ]
    return replace(cache, camera_motion=np.stack(motions))


def write_caches(
    gt: Path, output: Path, options: SimulatedDetectorOptions, *, seed: int, camera_motion: bool = False
) -> list[Path]:
    """Write a cache for each sequence below `gt`, and return the paths.

    Raises InputError where ground truth or images cannot be read, or a cache cannot be written.
    """
    paths = []
    output.mkdir(parents=True, exist_ok=True)
    for sequence in read_ground_truth(gt).sequences:
        cache = detect(sequence, options, seed=seed)
        paths.append(output / f"{sequence.info.name}.npz")
        write_cache(paths[-1], add_camera_motion(cache, sequence.info) if camera_motion else cache)
    return paths


def make_options(*, alike: int, alike_fraction: float) -> SimulatedDetectorOptions:
    """Return the default options, with groups of persons of similar appearance."""
    return SimulatedDetectorOptions(embeddings=AppearanceNoise(alike=alike, alike_fraction=alike_fraction))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    defaults = AppearanceNoise()
    parser = argparse.ArgumentParser(description="Detection caches simulated from ground truth")
    parser.add_argument("--gt", type=Path, required=True, help="a MOTChallenge sequence, or a folder of them")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the caches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alike", type=int, default=defaults.alike, help="persons per group of similar appearance")
    parser.add_argument(
        "--alike-fraction", type=float, default=defaults.alike_fraction, help="fraction of persons in such groups"
    )
    parser.add_argument("--camera-motion", action="store_true", help="also estimate the camera motion")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the caches; return the exit code. An input error is one line on stderr."""
    arguments = parse_args(argv)
    try:
        if arguments.seed < 0 or arguments.alike < 1 or not 0 <= arguments.alike_fraction <= 1:
            raise InputError("--seed is 0 or more, --alike 1 or more, --alike-fraction between 0 and 1")
        options = make_options(alike=arguments.alike, alike_fraction=arguments.alike_fraction)
        keywords = {"seed": arguments.seed, "camera_motion": arguments.camera_motion}
        for path in write_caches(arguments.gt, arguments.output, options, **keywords):
            print(path)
    except InputError as error:
        print(f"detector_stand_in: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
