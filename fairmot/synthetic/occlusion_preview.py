"""Low-resolution preview of a planned world with one standard body, to estimate its crossings and occlusions.

The estimate is close to the rendered sequence at a small fraction of the cost.
"""

from typing import NamedTuple

import numpy as np

from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.appearance import Appearance, Cloth
from fairmot.synthetic.camera import Camera
from fairmot.synthetic.compositing import InstanceMap, Placement, resample
from fairmot.synthetic.props import Prop, draw_prop
from fairmot.synthetic.sprite import Sprite, SpriteAtlas
from fairmot.synthetic.trajectories import Trajectory
from fairmot.utils.seed import make_rng

MIN_INSIDE = 0.4  # fraction of a box inside the image from which it is in the ground truth
WIDTH = 200  # of the preview in pixels
_GREY = (0.5, 0.5, 0.5)
_CLOTH = Cloth(_GREY, _GREY)
_STANDARD = Appearance(1.7, 1.03, _GREY, _GREY, "short", _CLOTH, 1.0, "trousers", _CLOTH, _GREY, "none", _GREY)


class Walker(NamedTuple):
    """Trajectory and stature (metres) of a person in the preview."""

    trajectory: Trajectory
    stature: float


class OcclusionPreview:
    """Preview renderer for images of `size_hw`; the sprites are shared between plans."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self._upscale = size_hw[1] / WIDTH
        self._atlas = SpriteAtlas(_STANDARD, size_hw[0] / self._upscale)

    def render(self, camera: Camera, walkers: list[Walker], props: list[Prop]) -> BoxTable:
        """Return the ground truth of the walkers without camera motion; identities from 1 in their order."""
        small = _downscaled(camera)
        static = [
            (_place(small, draw_prop(prop, small.scale(prop.depth), make_rng(index)), (prop.x, prop.depth)), prop.depth)
            for index, prop in enumerate(props)
        ]
        rows: list[tuple[float, ...]] = []
        for frame in range(len(walkers[0].trajectory.x) if walkers else 0):
            people = self._place_walkers(small, walkers, frame)
            instance_map = InstanceMap(small.size_hw, len(walkers))
            for placement, _ in sorted([*people, *static], key=lambda item: -item[1]):
                patch, corner = resample(placement)
                instance_map.paint(patch[..., 3], corner, placement.label)
            visibilities = instance_map.visibilities()
            for placement, _ in people:
                box = placement.box_tlwh
                if fraction_inside(box, small.size_hw) >= MIN_INSIDE:
                    box_full = (value * self._upscale for value in box)
                    rows.append((frame + 1, placement.label, *box_full, 1, 1, float(visibilities[placement.label])))
        return to_box_table(rows)

    def _place_walkers(self, camera: Camera, walkers: list[Walker], frame: int) -> list[tuple[Placement, float]]:
        """Return the walkers near the image with their depths."""
        placed = []
        for index, (trajectory, stature) in enumerate(walkers):
            x, depth = float(trajectory.x[frame]), float(trajectory.depth[frame])
            if trajectory.present[frame] and abs(x) <= camera.half_width(depth) + 1.0:
                sprite = self._atlas.select(trajectory, frame, scale=camera.focal / depth * stature)
                placed.append((_place(camera, sprite, (x, depth), label=index + 1, size=stature), depth))
        return placed


def fraction_inside(box_tlwh: tuple[float, float, float, float], size_hw: tuple[int, int]) -> float:
    """Return the fraction of a box's area inside an image of `size_hw`; 0 for an empty box.

    >>> fraction_inside((-5.0, 0.0, 20.0, 10.0), (10, 100))
    0.75
    """
    left, top, width, height = box_tlwh
    inside_x = max(0.0, min(left + width, size_hw[1]) - max(left, 0.0))
    inside_y = max(0.0, min(top + height, size_hw[0]) - max(top, 0.0))
    return inside_x * inside_y / (width * height) if width * height > 0 else 0.0


def _downscaled(camera: Camera) -> Camera:
    ratio = WIDTH / camera.size_hw[1]
    size_hw = (max(8, round(camera.size_hw[0] * ratio)), WIDTH)
    return Camera(size_hw, camera.height, camera.horizon * ratio, camera.near, camera.far)


def _place(
    camera: Camera, sprite: Sprite, ground_xz: tuple[float, float], *, label: int = -1, size: float = 1.0
) -> Placement:
    return Placement(sprite, camera.project(*ground_xz), camera.scale(ground_xz[1]) * size, label)


def to_box_table(rows: list[tuple[float, ...]]) -> BoxTable:
    """Make a table of rows (frame, identity, left, top, width, height, consider flag, class, visibility)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 9)
    return BoxTable(
        frames=table[:, 0].astype(np.int64),
        ids=table[:, 1].astype(np.int64),
        boxes_tlwh=table[:, 2:6],
        confidences=table[:, 6],
        classes=table[:, 7].astype(np.int64),
        visibilities=table[:, 8],
    )
