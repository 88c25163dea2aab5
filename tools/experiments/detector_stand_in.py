"""A detector made from a sequence's truth: what a tracker would be given of it, without a trained network.

    python tools/experiments/detector_stand_in.py --gt ../shared/data/mot17-half/train --output runs/stand_in --seed 1
    python tools/experiments/detector_stand_in.py --gt DIR --output DIR --alike 3 --alike-share 1 --camera-motion

writes `OUTPUT/<sequence>.npz`, a detection cache (fairmot/formats/detection_cache.py) for `fairmot track --replay` and
`fairmot tune`. The same seed and sequence give the same file.

- people are missed for some frames in a row, the sooner the less of them is seen, and have low scores before that;
- boxes wobble with a memory, in proportion to the height, more where less is seen;
- things that look like people are found too, in part: those that the truth does not score, places in the background
  that last some frames, second boxes of one person, specks of one frame; their scores overlap with those of people;
- embeddings are noisy, more where less is seen, mixed with what stands in front, drift slowly, and some people dress
  alike;
- with --camera-motion the cache also says how the camera moved, by optical flow over the real frames. The background
  places above stay where they are in the image.

Exit code 0; 2 for wrong use.
"""

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from stand_in_clutter import ClutterOptions, Spots, find_doubles, find_places, find_specks
from stand_in_looks import LooksOptions, embed_people
from stand_in_people import PeopleOptions, jitter_boxes, score_people
from stand_in_scene import Scene, read_scene

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

SURE = 0.4  # detections above this are left out of the background that the camera's motion is read from


@dataclass(frozen=True)
class StandInOptions:
    """All numbers of the stand-in; see each part."""

    people: PeopleOptions = field(default_factory=PeopleOptions)
    looks: LooksOptions = field(default_factory=LooksOptions)
    clutter: ClutterOptions = field(default_factory=ClutterOptions)


def detect(sequence: ScoredSequence, options: StandInOptions, *, seed: int) -> DetectionCache:
    """Return what the stand-in sees of a sequence; only `seed`, the sequence's name, its truth and the options count.

    Each part draws from a generator of its own: another number in one changes nothing in the others.
    """
    rngs = [make_rng(seed, zlib.crc32(sequence.info.name.encode()), part) for part in range(7)]
    scene = read_scene(sequence.info, sequence.ground_truth, rngs[0])
    people = find_people(scene, options, rngs[1:4])
    spots = (
        people,
        find_doubles(scene, people, options.clutter, rngs[4]),
        find_places(scene, options.clutter, options.looks, rngs[5]),
        find_specks(scene, options.clutter, options.looks, rngs[6]),
    )
    return to_cache(spots, scene)


def find_people(scene: Scene, options: StandInOptions, rngs: Sequence[np.random.Generator]) -> Spots:
    """Return one detection for each true box, however low its score."""
    return Spots(
        scene.frames,
        jitter_boxes(scene, options.people, rngs[0]),
        score_people(scene, options.people, rngs[1]),
        embed_people(scene, options.looks, rngs[2]),
    )


def to_cache(spots: Sequence[Spots], scene: Scene) -> DetectionCache:
    """Return detections of all kinds by frame, the highest score first, as a heatmap's peaks come."""
    frames = np.concatenate([each.frames for each in spots])
    scores = np.concatenate([each.scores for each in spots])
    boxes = np.concatenate([each.boxes_xyxy for each in spots])
    embeddings = np.concatenate([each.embeddings for each in spots])
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


def follow_camera(cache: DetectionCache, info: SequenceInfo) -> DetectionCache:
    """Return the cache with the camera's motion by optical flow, people as the cache has them left out of it.

    Raises InputError where the sequence's images are not there or cannot be read.
    """
    flow = FlowMotion()
    images = list_images(info.root / info.image_dir)
    if len(images) < info.length:
        raise InputError(f"{info.root / info.image_dir}: {len(images)} images of {info.length} frames")
    motions = [
        flow.update(read_image(path), frame.boxes_xyxy[frame.scores > SURE])
        for path, frame in zip(images, cache.frames(), strict=False)
    ]
    return replace(cache, camera_motion=np.stack(motions))


def write_caches(
    gt: Path, output: Path, options: StandInOptions, *, seed: int, camera_motion: bool = False
) -> list[Path]:
    """Write a cache for each sequence below `gt`, and return their paths.

    Raises InputError where a truth or an image cannot be read or a cache not be written.
    """
    paths = []
    output.mkdir(parents=True, exist_ok=True)
    for sequence in read_ground_truth(gt).sequences:
        cache = detect(sequence, options, seed=seed)
        paths.append(output / f"{sequence.info.name}.npz")
        write_cache(paths[-1], follow_camera(cache, sequence.info) if camera_motion else cache)
    return paths


def make_options(*, alike: int, alike_share: float) -> StandInOptions:
    """Return the options for people of whom a share dress alike in groups."""
    return StandInOptions(looks=replace(LooksOptions(), alike=alike, alike_share=alike_share))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    looks = LooksOptions()
    parser = argparse.ArgumentParser(description="Detection caches made from truth, as a detector would see it")
    parser.add_argument("--gt", type=Path, required=True, help="a MOTChallenge sequence, or a folder of them")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the caches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alike", type=int, default=looks.alike, help="people in a group that dresses alike")
    parser.add_argument("--alike-share", type=float, default=looks.alike_share, help="share of people in such groups")
    parser.add_argument("--camera-motion", action="store_true", help="also estimate how the camera moved")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the caches; a user's mistake is one line on stderr and exit code 2."""
    arguments = parse_args(argv)
    try:
        if arguments.seed < 0 or arguments.alike < 1 or not 0 <= arguments.alike_share <= 1:
            raise InputError("--seed is 0 or more, --alike 1 or more, --alike-share between 0 and 1")
        options = make_options(alike=arguments.alike, alike_share=arguments.alike_share)
        keywords = {"seed": arguments.seed, "camera_motion": arguments.camera_motion}
        for path in write_caches(arguments.gt, arguments.output, options, **keywords):
            print(path)
    except InputError as error:
        print(f"detector_stand_in: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
