"""How well do the estimators of camera motion find the synthetic camera, and what does a frame cost?

    python tools/experiments/camera_motion_on_synthetic.py [--seeds 1001,1002] [--frames 120] [--height 540]
    python tools/experiments/camera_motion_on_synthetic.py --sequences FOLDER [--side 640]

renders hard sequences, whose camera pans, shakes and zooms, and prints for each estimator the error of its affine
against the true one (px of the image: root mean square over a grid of points), its share of the error of standing
still, and the processor time a frame (ms, median; OpenCV on one thread). With --sequences it takes MOTChallenge
sequences. Their cameras are not known, so the error is the picture's: the mean difference (of 255 grey levels) between
this frame and the one before, carried by the affine, outside people.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import find_sequences, list_images, read_boxes
from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.world import build_world
from fairmot.tracking.camera_motion import (
    CameraMotionEstimator,
    EccMotion,
    FlowMotion,
    mask_boxes,
    reduce_image,
)


class View(NamedTuple):
    """A frame: its image (H, W, 3), the boxes of people, and the true affine where it is known."""

    image: ImageArray
    people_xyxy: FloatArray
    motion: FloatArray | None


class StandingStill:
    """The camera that does not move."""

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Return the identity."""
        return np.eye(2, 3)


def render(seed: int, frames: int, height: int) -> Iterator[View]:
    """Yield the frames of a hard sequence, each with the affine that its camera truly made."""
    size_hw = (height, height * 16 // 9)
    world = build_world(WorldOptions("hard", seed, frames, size_hw))
    before = None
    for number, frame in enumerate(Renderer(world).frames()):
        rest = np.vstack([world.motion.matrix(number, size_hw), [0, 0, 1]])
        moved = rest @ np.linalg.inv(rest if before is None else before)
        before = rest
        yield View(np.ascontiguousarray(frame.image[..., ::-1]), tlwh_to_xyxy(frame.ground_truth.boxes_tlwh), moved[:2])


def read(folder: Path) -> Iterator[View]:
    """Yield the frames of a MOTChallenge sequence."""
    truth = read_boxes(folder / "gt" / "gt.txt", "ground_truth")
    for number, path in enumerate(list_images(folder / "img1"), 1):
        yield View(read_image(path), tlwh_to_xyxy(truth.boxes_tlwh[truth.frames == number]), None)


def affine_error(found: FloatArray, true: FloatArray, size_hw: tuple[int, ...]) -> float:
    """Root mean square distance (px) of a grid of points carried by both."""
    sides = [np.linspace(0, side - 1, 9) for side in size_hw[1::-1]]
    grid_N3 = np.stack([*(axis.ravel() for axis in np.meshgrid(*sides)), np.ones(81)], axis=-1)
    return float(np.sqrt(((grid_N3 @ (found - true).T) ** 2).sum(axis=1).mean()))


def picture_error(found: FloatArray, before: View, now: View) -> float:
    """Mean difference (grey levels) outside people between this frame and the one before, carried along."""
    first, second = reduce_image(before.image, 0), reduce_image(now.image, 0)
    size_wh = second.full_hw[::-1]
    carried = cv2.warpAffine(first.grey, found, size_wh)
    ground = cv2.warpAffine(mask_boxes(first, before.people_xyxy), found, size_wh, flags=cv2.INTER_NEAREST)
    compared = (ground > 0) & (mask_boxes(second, now.people_xyxy) > 0)
    return float(cv2.absdiff(carried, second.grey)[compared].mean())


def error_of(found: FloatArray, before: View, now: View) -> float:
    """Distance from the true affine where that is known, else the picture's error."""
    if now.motion is None:
        return picture_error(found, before, now)
    return affine_error(found, now.motion, now.image.shape)


def measure(
    views: Iterator[View], estimators: dict[str, CameraMotionEstimator]
) -> dict[str, tuple[list[float], float]]:
    """Return each estimator's error in each frame, and its median processor time a frame in ms."""
    errors: dict[str, list[float]] = {name: [] for name in estimators}
    times: dict[str, list[float]] = {name: [] for name in estimators}
    before: View | None = None
    for now in views:
        for name, estimator in estimators.items():
            start = time.thread_time()
            found = estimator.update(now.image, now.people_xyxy)
            times[name].append(1000 * (time.thread_time() - start))
            if before is not None:
                errors[name].append(error_of(found, before, now))
        before = now
    return {name: (errors[name], float(np.median(times[name]))) for name in estimators}


def make_estimators(side: int) -> dict[str, CameraMotionEstimator]:
    """Return what is compared, by name."""
    return {
        "standing still": StandingStill(),
        "flow similarity": FlowMotion(side=side),
        "flow affine": FlowMotion(side=side, model="affine"),
        "ecc euclidean": EccMotion(side=side),
        "ecc affine": EccMotion(side=side, model="affine"),
    }


def report(title: str, measured: dict[str, tuple[list[float], float]]) -> None:
    """Print a table."""
    print(f"{title}\n{'':18}{'mean':>9}{'p95':>9}{'max':>9}{'of still':>10}{'ms':>8}")
    still = float(np.mean(measured["standing still"][0]))
    for name, (errors, milliseconds) in measured.items():
        mean = float(np.mean(errors))
        row = f"{mean:9.3f}{np.percentile(errors, 95):9.3f}{max(errors):9.3f}{mean / still:10.2f}"
        print(f"{name:18}{row}{milliseconds:8.2f}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1001,1002")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--height", type=int, default=540)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--sequences", type=Path)
    arguments = parser.parse_args(argv)
    cv2.setNumThreads(1)
    if arguments.sequences is not None:
        for folder in find_sequences(arguments.sequences):
            report(folder.name, measure(read(folder), make_estimators(arguments.side)))
        return 0
    for seed in map(int, arguments.seeds.split(",")):
        views = render(seed, arguments.frames, arguments.height)
        report(f"hard, seed {seed}, {arguments.height}p", measure(views, make_estimators(arguments.side)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
