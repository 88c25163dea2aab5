"""From a world to its frames: pictures and the truth about each."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.backdrop import paint_backdrop
from fairmot.synthetic.body import Pose, build_body
from fairmot.synthetic.camera import Shot
from fairmot.synthetic.compositing import Picture, Placement
from fairmot.synthetic.lighting import build_light
from fairmot.synthetic.occlusion_preview import LEAST_INSIDE, share_inside
from fairmot.synthetic.props import draw_prop
from fairmot.synthetic.sprite import PHASES, VIEWS, Sprite, SpriteBook, draw_body
from fairmot.synthetic.world import PEDESTRIAN, Actor, SyntheticWorld
from fairmot.utils.seed import make_rng


@dataclass(frozen=True)
class RenderedFrame:
    """image: (H, W, 3) BGR. instances: (H, W) identity seen at each pixel, 0 for none. truth: the frame's rows."""

    image: ImageArray
    instances: IntArray
    truth: BoxTable


@dataclass(frozen=True)
class _Item:
    """What is drawn in one frame, with its depth and the rows its truth needs."""

    placement: Placement
    depth: float
    actor: Actor | None


class Renderer:
    """Draws the frames of one world; sprites are made when first seen and kept."""

    def __init__(self, world: SyntheticWorld) -> None:
        """Paint the backdrop and the things that stand about."""
        self._world, options = world, world.options
        preset, size_hw = options.world, options.size_hw
        reach = float(np.abs(world.motion.shifts_xy).max())
        margin = int(np.ceil(reach)) + 2
        self._backdrop = paint_backdrop(world.camera, world.scene, margin, make_rng(options.seed, 11))
        self._light = build_light(Shot(options.frames, options.frame_rate, size_hw), preset, make_rng(options.seed, 12))
        rng = make_rng(options.seed, 13)
        self._slant = (float(rng.uniform(-0.7, 0.7)), float(rng.uniform(0.12, 0.3)))
        self._darkness = float(rng.uniform(0.15, 0.5))
        self._props = [
            draw_prop(prop, float(world.camera.scale(np.array(prop.depth))), make_rng(options.seed, 14, index))
            for index, prop in enumerate(world.props)
        ]
        self._books = [_book(actor, world) for actor in world.actors]

    def frames(self) -> Iterator[RenderedFrame]:
        """Yield every frame in order."""
        for frame in range(self._world.options.frames):
            yield self.draw(frame)

    def draw(self, frame: int) -> RenderedFrame:
        """Draw frame `frame`, counted from 0."""
        world = self._world
        matrix = world.motion.matrix(frame, world.options.size_hw)
        items = sorted(self._items(frame, matrix), key=lambda item: -item.depth)
        picture = Picture(self._ground(frame, matrix), len(world.actors))
        for item in items:
            if item.actor is None or item.actor.lift == 0:
                picture.cast_shadow(item.placement, self._slant, self._darkness)
        for item in items:
            picture.paste(item.placement)
        truth = _truth(frame, items, picture.ledger.visibilities(), world.options.size_hw)
        return RenderedFrame(self._light.apply(picture.image, frame), picture.ledger.instances, truth)

    def _ground(self, frame: int, matrix: FloatArray) -> ImageArray:
        height, width = self._world.options.size_hw
        margin = self._backdrop.margin
        shifted = matrix.copy()
        shifted[:, 2] -= matrix[:, :2] @ np.array([margin, margin])
        image = cv2.warpAffine(
            self._backdrop.image, shifted, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        smear = round(float(np.abs(self._camera_smear(frame))))
        return np.asarray(cv2.blur(image, (smear, 1)) if smear >= 2 else image, dtype=np.uint8)

    def _camera_smear(self, frame: int) -> float:
        return float(self._world.motion.velocity(frame)[0]) * self._world.options.world.shutter

    def _items(self, frame: int, matrix: FloatArray) -> Iterator[_Item]:
        """Everything that may be seen in a frame."""
        world, zoom = self._world, float(matrix[0, 0])
        for index, (prop, sprite) in enumerate(zip(world.props, self._props, strict=True)):
            foot, scale = self._at(prop.x, prop.depth, matrix)
            smear = abs(self._camera_smear(frame))
            yield _Item(Placement(sprite, foot, scale * zoom, -1 - index, smear), prop.depth, None)
        for index, (actor, book) in enumerate(zip(world.actors, self._books, strict=True)):
            walk = actor.walk
            if not walk.present[frame]:
                continue
            x, depth = float(walk.x[frame]), float(walk.depth[frame])
            foot, scale = self._at(x, depth, matrix)
            foot = (foot[0], foot[1] - actor.lift * scale * zoom)
            if not -scale < foot[0] < world.options.size_hw[1] + scale:
                continue
            sprite = book.sprite(
                float(walk.phase[frame]),
                float(walk.heading[frame]),
                standing=bool(walk.stride[frame] < 0.05),
                scale=scale * zoom * actor.appearance.stature,
            )
            smear = abs(self._speed(actor, frame, scale) + self._camera_smear(frame))
            size = scale * zoom * actor.appearance.stature
            yield _Item(Placement(sprite, foot, size, index + 1, smear), depth, actor)

    def _at(self, x: float, depth: float, matrix: FloatArray) -> tuple[tuple[float, float], float]:
        """Ground point in frame pixels and pixels a metre before the zoom."""
        column, row = self._world.camera.ground(np.array(x), np.array(depth))
        moved = matrix @ np.array([float(column), float(row), 1.0])
        return (float(moved[0]), float(moved[1])), float(self._world.camera.scale(np.array(depth)))

    def _speed(self, actor: Actor, frame: int, scale: float) -> float:
        """Pixels that an actor moves to the right while the shutter is open."""
        last = min(frame + 1, self._world.options.frames - 1)
        step = float(actor.walk.x[last] - actor.walk.x[last - 1]) if last > 0 else 0.0
        return step * scale * self._world.options.world.shutter


def _book(actor: Actor, world: SyntheticWorld) -> SpriteBook:
    """The sprites of one actor, as large as its nearest place needs."""
    nearest = float(actor.walk.depth.min())
    zoom = float(world.motion.scales.max())
    pixels = float(world.camera.scale(np.array(nearest))) * actor.appearance.stature * zoom

    def draw(phase: int, view: int, standing: bool) -> Sprite:
        pose = Pose(2 * np.pi * phase / PHASES, 0.0 if standing else 1.0, actor.posture)
        return draw_body(build_body(actor.appearance, pose), 2 * np.pi * view / VIEWS, pixels)

    return SpriteBook(draw)


def _truth(frame: int, items: list[_Item], visible: FloatArray, size_hw: tuple[int, int]) -> BoxTable:
    """Rows of the actors whose boxes lie far enough in the image."""
    rows = []
    for item in items:
        if item.actor is None:
            continue
        box = item.placement.box_tlwh
        if share_inside(box, size_hw) >= LEAST_INSIDE:
            mark = float(item.actor.kind == PEDESTRIAN)
            rows.append((item.actor.identity, *box, mark, item.actor.kind, float(visible[item.placement.label])))
    rows.sort()
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    return BoxTable(
        frames=np.full(len(rows), frame + 1, dtype=np.int64),
        ids=table[:, 0].astype(np.int64),
        boxes_tlwh=table[:, 1:5],
        confidences=table[:, 5],
        classes=table[:, 6].astype(np.int64),
        visibilities=table[:, 7],
    )
