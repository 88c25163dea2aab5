"""A rehearsal: a planned world played by one standard body in a small picture, to see who would hide whom.

It tells crossings and occlusions of a plan nearly as the full picture does, at a small part of its cost.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.appearance import Appearance, Cloth
from fairmot.synthetic.body import Pose, build_body
from fairmot.synthetic.camera import Camera
from fairmot.synthetic.compositing import Ledger, Placement, resample
from fairmot.synthetic.props import Prop, draw_prop
from fairmot.synthetic.sprite import PHASES, VIEWS, Sprite, SpriteBook, draw_body
from fairmot.synthetic.trajectories import Walk
from fairmot.utils.seed import make_rng

LEAST_INSIDE = 0.4  # share of a box that lies in the image before it is listed in the truth
COLUMNS = 200  # width of the small picture
_GREY = (0.5, 0.5, 0.5)
_STANDARD = Appearance(
    1.7, 1.03, _GREY, _GREY, "short", Cloth(_GREY, _GREY), 1.0, "trousers", Cloth(_GREY, _GREY), _GREY, "none", _GREY
)


@dataclass(frozen=True)
class Role:
    """A role in the rehearsal: a walk and the stature of who walks it."""

    walk: Walk
    stature: float


class OcclusionPreview:
    """The standard body at the size that a small picture needs; plays one plan after the other."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        """`size_hw`: the full picture's size."""
        self._enlarge = size_hw[1] / COLUMNS
        self._book = _standard_book(size_hw[0] / self._enlarge)

    def play(self, camera: Camera, roles: list[Role], props: list[Prop]) -> BoxTable:
        """The truth that `roles` would give, before the camera's motion; identities count from 1 in their order."""
        small = _shrunk(camera)
        still = [(_stand(small, prop, index), prop.depth) for index, prop in enumerate(props)]
        rows: list[tuple[float, ...]] = []
        for frame in range(len(roles[0].walk.x) if roles else 0):
            cast = _on_stage(small, self._book, roles, frame)
            ledger = Ledger(small.size_hw, len(roles))
            for placement, _ in sorted([*cast, *still], key=lambda item: -item[1]):
                patch, corner = resample(placement)
                ledger.claim(patch[..., 3], corner, placement.label)
            seen = ledger.visibilities()
            for placement, _ in cast:
                box = placement.box_tlwh
                if share_inside(box, small.size_hw) >= LEAST_INSIDE:
                    sides = (side * self._enlarge for side in box)
                    rows.append((frame + 1, placement.label, *sides, float(seen[placement.label])))
        return _table(np.array(rows, dtype=np.float64).reshape(-1, 7))


def _stand(camera: Camera, prop: Prop, index: int) -> Placement:
    scale = float(camera.scale(np.array(prop.depth)))
    return _place(camera, draw_prop(prop, scale, make_rng(index)), prop.x, prop.depth)


def share_inside(box_tlwh: tuple[float, float, float, float], size_hw: tuple[int, int]) -> float:
    """Share of a box's area that lies in an image of `size_hw`; 0 for an empty box.

    >>> share_inside((-5.0, 0.0, 20.0, 10.0), (10, 100))
    0.75
    """
    left, top, width, height = box_tlwh
    inside_x = max(0.0, min(left + width, size_hw[1]) - max(left, 0.0))
    inside_y = max(0.0, min(top + height, size_hw[0]) - max(top, 0.0))
    return inside_x * inside_y / (width * height) if width * height > 0 else 0.0


def _shrunk(camera: Camera) -> Camera:
    ratio = COLUMNS / camera.size_hw[1]
    size = (max(8, round(camera.size_hw[0] * ratio)), COLUMNS)
    return Camera(size, camera.height, camera.horizon * ratio, camera.near, camera.far)


def _standard_book(pixels: float) -> SpriteBook:
    def draw(phase: int, view: int, standing: bool) -> Sprite:
        pose = Pose(2 * np.pi * phase / PHASES, 0.0 if standing else 1.0)
        return draw_body(build_body(_STANDARD, pose), 2 * np.pi * view / VIEWS, pixels)

    return SpriteBook(draw)


def _place(camera: Camera, sprite: Sprite, x: float, depth: float, label: int = -1, size: float = 1.0) -> Placement:
    column, row = camera.ground(np.array(x), np.array(depth))
    return Placement(sprite, (float(column), float(row)), float(camera.scale(np.array(depth))) * size, label)


def _on_stage(camera: Camera, book: SpriteBook, roles: list[Role], frame: int) -> list[tuple[Placement, float]]:
    cast = []
    for index, role in enumerate(roles):
        walk = role.walk
        depth = float(walk.depth[frame])
        if not walk.present[frame] or abs(float(walk.x[frame])) > camera.half_width(depth) + 1.0:
            continue
        sprite = book.sprite(
            float(walk.phase[frame]),
            float(walk.heading[frame]),
            standing=bool(walk.stride[frame] < 0.05),
            scale=camera.focal / depth * role.stature,
        )
        cast.append((_place(camera, sprite, float(walk.x[frame]), depth, index + 1, role.stature), depth))
    return cast


def _table(rows: FloatArray) -> BoxTable:
    return BoxTable(
        frames=rows[:, 0].astype(np.int64),
        ids=rows[:, 1].astype(np.int64),
        boxes_tlwh=rows[:, 2:6],
        confidences=np.ones(len(rows)),
        classes=np.ones(len(rows), dtype=np.int64),
        visibilities=rows[:, 6],
    )
