"""Renderer of a synthetic world: images, instance maps and ground truth of each frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.backdrop import draw_backdrop
from fairmot.synthetic.compositing import Canvas, Placement
from fairmot.synthetic.lighting import build_lighting
from fairmot.synthetic.occlusion_preview import MIN_INSIDE, fraction_inside, to_box_table
from fairmot.synthetic.props import draw_prop
from fairmot.synthetic.sprite import SpriteAtlas
from fairmot.synthetic.world import PEDESTRIAN, Actor, SyntheticWorld
from fairmot.utils.seed import make_rng


@dataclass(frozen=True)
class RenderedFrame:
    """image: (H, W, 3) BGR. instances: (H, W) visible identity, 0 for none. ground_truth: the frame's boxes."""

    image: ImageArray
    instances: IntArray
    ground_truth: BoxTable


@dataclass(frozen=True)
class _SceneItem:
    """Sprite of a frame with its depth; `actor` is None for props."""

    placement: Placement
    depth: float
    actor: Actor | None


class Renderer:
    """Renders the frames of one world; sprites are drawn on first use."""

    def __init__(self, world: SyntheticWorld) -> None:
        """Draw backdrop and props."""
        self._world, options = world, world.options
        margin = int(np.ceil(float(np.abs(world.motion.shifts_xy).max()))) + 2
        self._backdrop = draw_backdrop(world.camera, world.scene, margin, make_rng(options.seed, 11))
        self._lighting = build_lighting(options, make_rng(options.seed, 12))
        rng = make_rng(options.seed, 13)
        self._slant = (float(rng.uniform(-0.7, 0.7)), float(rng.uniform(0.12, 0.3)))
        self._darkness = float(rng.uniform(0.15, 0.5))
        self._props = [
            draw_prop(prop, world.camera.scale(prop.depth), make_rng(options.seed, 14, index))
            for index, prop in enumerate(world.props)
        ]
        self._atlases = [_make_atlas(actor, world) for actor in world.actors]

    def frames(self) -> Iterator[RenderedFrame]:
        """Yield every frame in order."""
        for frame in range(self._world.options.frames):
            yield self.draw(frame)

    def draw(self, frame: int) -> RenderedFrame:
        """Render frame `frame`, from 0."""
        size_hw = self._world.options.size_hw
        matrix = self._world.motion.matrix(frame, size_hw)
        items = sorted(self._items(frame, matrix), key=lambda item: -item.depth)
        canvas = Canvas(self._draw_backdrop(frame, matrix), len(self._world.actors))
        for item in items:
            if item.actor is None or item.actor.lift == 0:
                canvas.draw_shadow(item.placement, self._slant, self._darkness)
        for item in items:
            canvas.paste(item.placement)
        ground_truth = _ground_truth(frame, items, canvas.instance_map.visibilities(), size_hw)
        return RenderedFrame(self._lighting.apply(canvas.image, frame), canvas.instance_map.labels, ground_truth)

    def _draw_backdrop(self, frame: int, matrix: FloatArray) -> ImageArray:
        height, width = self._world.options.size_hw
        margin = self._backdrop.margin
        shifted = matrix.copy()
        shifted[:, 2] -= matrix[:, :2] @ np.array([margin, margin])
        image = cv2.warpAffine(
            self._backdrop.image, shifted, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        blur = round(abs(self._camera_blur(frame)))
        return np.asarray(cv2.blur(image, (blur, 1)) if blur >= 2 else image, dtype=np.uint8)

    def _camera_blur(self, frame: int) -> float:
        """Horizontal image motion in pixels during the exposure."""
        return self._world.motion.velocity_x(frame) * self._world.options.settings.shutter

    def _items(self, frame: int, matrix: FloatArray) -> Iterator[_SceneItem]:
        """Yield the props, and the actors near the image."""
        world, zoom = self._world, float(matrix[0, 0])
        camera_blur = self._camera_blur(frame)
        for index, (prop, sprite) in enumerate(zip(world.props, self._props, strict=True)):
            foot, scale = self._project(prop.x, prop.depth, matrix)
            yield _SceneItem(Placement(sprite, foot, scale * zoom, -1 - index, abs(camera_blur)), prop.depth, None)
        for index, (actor, atlas) in enumerate(zip(world.actors, self._atlases, strict=True)):
            trajectory = actor.trajectory
            if not trajectory.present[frame]:
                continue
            x, depth = float(trajectory.x[frame]), float(trajectory.depth[frame])
            foot, scale = self._project(x, depth, matrix)
            foot = (foot[0], foot[1] - actor.lift * scale * zoom)
            if not -scale < foot[0] < world.options.size_hw[1] + scale:
                continue
            size = scale * zoom * actor.appearance.stature
            blur = abs(self._actor_blur(actor, frame, scale) + camera_blur)
            sprite = atlas.select(trajectory, frame, scale=size)
            yield _SceneItem(Placement(sprite, foot, size, index + 1, blur), depth, actor)

    def _project(self, x: float, depth: float, matrix: FloatArray) -> tuple[tuple[float, float], float]:
        """Return a ground point in frame pixels, and pixels per metre before the zoom."""
        moved = matrix @ np.array([*self._world.camera.project(x, depth), 1.0])
        return (float(moved[0]), float(moved[1])), self._world.camera.scale(depth)

    def _actor_blur(self, actor: Actor, frame: int, scale: float) -> float:
        """Horizontal motion of an actor in pixels during the exposure."""
        last = min(frame + 1, self._world.options.frames - 1)
        step = float(actor.trajectory.x[last] - actor.trajectory.x[last - 1]) if last > 0 else 0.0
        return step * scale * self._world.options.settings.shutter


def _make_atlas(actor: Actor, world: SyntheticWorld) -> SpriteAtlas:
    """Make the sprites of an actor at the size of its nearest position."""
    scale, zoom = world.camera.scale(float(actor.trajectory.depth.min())), float(world.motion.scales.max())
    return SpriteAtlas(actor.appearance, scale * actor.appearance.stature * zoom, posture=actor.posture)


def _ground_truth(frame: int, items: list[_SceneItem], visibilities: FloatArray, size_hw: tuple[int, int]) -> BoxTable:
    """Return the boxes that are inside the image by MIN_INSIDE or more."""
    rows = []
    for item in items:
        box = item.placement.box_tlwh
        if item.actor is not None and fraction_inside(box, size_hw) >= MIN_INSIDE:
            is_considered = item.actor.kind == PEDESTRIAN
            visibility = float(visibilities[item.placement.label])
            rows.append((frame + 1, item.actor.identity, *box, is_considered, item.actor.kind, visibility))
    return to_box_table(sorted(rows))
