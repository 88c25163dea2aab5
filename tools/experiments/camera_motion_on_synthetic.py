"""Benchmark of the camera-motion estimators on synthetic sequences with known camera motion.

    python tools/experiments/camera_motion_on_synthetic.py [--seeds 1001,1002] [--frames 120] [--height 540]
    python tools/experiments/camera_motion_on_synthetic.py --sequences FOLDER [--side 640]

Renders sequences of the preset `hard`, whose camera pans, shakes and zooms. Prints for each estimator the error of its
affine (pixels; root mean square over a grid of points), the ratio to the error of the identity, and the processor time
per frame (ms, median; OpenCV on one thread). `--sequences` uses MOTChallenge sequences instead. Their camera motion is
unknown, so the error is the mean absolute difference of grey levels (0 to 255) between each frame and the
motion-compensated previous frame, outside the boxes of persons.
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


class CameraFrame(NamedTuple):
    """Image (H, W, 3), boxes of persons, and the ground-truth affine, None if unknown."""

    image: ImageArray
    people_xyxy: FloatArray
    motion: FloatArray | None


class IdentityMotion:
    """Baseline without camera motion."""

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Return the identity."""
        return np.eye(2, 3)


def render(seed: int, frames: int, height: int) -> Iterator[CameraFrame]:
    """Yield the frames of a synthetic sequence with the affine from the previous frame."""
    size_hw = (height, height * 16 // 9)
    world = build_world(WorldOptions("hard", seed, frames, size_hw))
    previous = None
    for number, frame in enumerate(Renderer(world).frames()):
        current = np.vstack([world.motion.matrix(number, size_hw), [0, 0, 1]])
        motion = current @ np.linalg.inv(current if previous is None else previous)
        previous = current
        yield CameraFrame(
            np.ascontiguousarray(frame.image[..., ::-1]), tlwh_to_xyxy(frame.ground_truth.boxes_tlwh), motion[:2]
        )


def read(folder: Path) -> Iterator[CameraFrame]:
    """Yield the frames of a MOTChallenge sequence."""
    ground_truth = read_boxes(folder / "gt" / "gt.txt", "ground_truth")
    for number, path in enumerate(list_images(folder / "img1"), 1):
        yield CameraFrame(read_image(path), tlwh_to_xyxy(ground_truth.boxes_tlwh[ground_truth.frames == number]), None)


def affine_error(estimated: FloatArray, expected: FloatArray, size_hw: tuple[int, ...]) -> float:
    """Root mean square distance (px) of a grid of points under both affines."""
    sides = [np.linspace(0, side - 1, 9) for side in size_hw[1::-1]]
    grid_N3 = np.stack([*(axis.ravel() for axis in np.meshgrid(*sides)), np.ones(81)], axis=-1)
    return float(np.sqrt(((grid_N3 @ (estimated - expected).T) ** 2).sum(axis=1).mean()))


def image_error(estimated: FloatArray, previous: CameraFrame, current: CameraFrame) -> float:
    """Mean absolute grey-level difference to the warped previous frame, outside the boxes of persons."""
    first, second = reduce_image(previous.image, 0), reduce_image(current.image, 0)
    size_wh = second.full_hw[::-1]
    warped = cv2.warpAffine(first.grey, estimated, size_wh)
    background = cv2.warpAffine(mask_boxes(first, previous.people_xyxy), estimated, size_wh, flags=cv2.INTER_NEAREST)
    compared = (background > 0) & (mask_boxes(second, current.people_xyxy) > 0)
    return float(cv2.absdiff(warped, second.grey)[compared].mean())


def error_of(estimated: FloatArray, previous: CameraFrame, current: CameraFrame) -> float:
    """Affine error if the ground-truth affine is known, else the image error."""
    if current.motion is None:
        return image_error(estimated, previous, current)
    return affine_error(estimated, current.motion, current.image.shape)


def measure(
    views: Iterator[CameraFrame], estimators: dict[str, CameraMotionEstimator]
) -> dict[str, tuple[list[float], float]]:
    """Return for each estimator the errors of all frames, and the median processor time per frame (ms)."""
    errors: dict[str, list[float]] = {name: [] for name in estimators}
    times: dict[str, list[float]] = {name: [] for name in estimators}
    previous: CameraFrame | None = None
    for current in views:
        for name, estimator in estimators.items():
            start = time.thread_time()
            estimated = estimator.update(current.image, current.people_xyxy)
            times[name].append(1000 * (time.thread_time() - start))
            if previous is not None:
                errors[name].append(error_of(estimated, previous, current))
        previous = current
    return {name: (errors[name], float(np.median(times[name]))) for name in estimators}


def make_estimators(side: int) -> dict[str, CameraMotionEstimator]:
    """Return the estimators by name."""
    return {
        "identity": IdentityMotion(),
        "flow similarity": FlowMotion(side=side),
        "flow affine": FlowMotion(side=side, model="affine"),
        "ecc euclidean": EccMotion(side=side),
        "ecc affine": EccMotion(side=side, model="affine"),
    }


def report(title: str, measured: dict[str, tuple[list[float], float]]) -> None:
    """Print the table of one sequence."""
    print(f"{title}\n{'':18}{'mean':>9}{'p95':>9}{'max':>9}{'relative':>10}{'ms':>8}")
    baseline = float(np.mean(measured["identity"][0]))
    for name, (errors, milliseconds) in measured.items():
        mean = float(np.mean(errors))
        row = f"{mean:9.3f}{np.percentile(errors, 95):9.3f}{max(errors):9.3f}{mean / baseline:10.2f}"
        print(f"{name:18}{row}{milliseconds:8.2f}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
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
