"""Articulated people: a pose and an appearance into solid parts in three dimensions.

Body axes in statures: forward, up, left; the ground is up = 0. A part is a tapered capsule, drawn in `sprite`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.synthetic.appearance import Appearance, Cloth, Colour

Posture = Literal["walk", "sit", "ride"]
Point = tuple[float, float, float]
Paint = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Pose:
    """Gait phase in radians, stride in [0, 1] (0 = standing), and whether walking, sitting or riding a bicycle."""

    phase: float = 0.0
    stride: float = 0.0
    posture: Posture = "walk"


@dataclass(frozen=True)
class BodySegment:
    """A capsule from `start` to `end` (forward, up, left) with radii there, all in statures.

    paint: (azimuth, along) -> colours (..., 3). flatness: front-to-back over side-to-side thickness.
    cap: how far its round ends stick out, in radii. nearer: moved towards the camera when parts are sorted.
    hollow: thickness of a ring's rim in statures; 0 for a solid part.
    """

    start: Point
    end: Point
    radii: tuple[float, float]
    paint: Paint
    flatness: float = 1.0
    cap: float = 1.0
    nearer: float = 0.0
    hollow: float = 0.0


def flat_paint(colour: Colour) -> Paint:
    """One colour all over."""
    return Cloth(colour, colour).paint


def build_body(person: Appearance, pose: Pose) -> list[BodySegment]:
    """The parts of `person` in `pose`; the lowest shoe stands on the ground."""
    legs = [_leg(person, pose, side) for side in (-1, 1)]
    parts = [part for leg in legs for part in leg]
    parts += _trunk(person, pose) + _head(person) + _bag(person)
    parts += [part for side in (-1, 1) for part in _arm(person, pose, side)]
    if pose.posture == "ride":
        return [_moved(part, 0.1) for part in parts] + _bicycle(person)
    lowest = min(min(part.start[1] - part.radii[0], part.end[1] - part.radii[1]) for leg in legs for part in leg)
    return [_moved(part, -lowest) for part in parts]


def _moved(part: BodySegment, up: float) -> BodySegment:
    start, end = part.start, part.end
    return BodySegment(
        (start[0], start[1] + up, start[2]),
        (end[0], end[1] + up, end[2]),
        part.radii,
        part.paint,
        part.flatness,
        part.cap,
        part.nearer,
        part.hollow,
    )


def _leg_angles(pose: Pose, side: int) -> tuple[float, float]:
    """Thigh angle from the vertical (forwards) and knee flexion, in radians; the legs are half a cycle apart."""
    phase = pose.phase + (np.pi if side > 0 else 0.0)
    if pose.posture == "sit":
        return 1.5, 1.5
    if pose.posture == "ride":
        return 0.95 + 0.4 * np.sin(phase), 1.25 - 0.45 * np.sin(phase + 0.8)
    swing = max(0.0, np.cos(phase - 0.25)) ** 1.5
    return 0.46 * pose.stride * np.sin(phase), pose.stride * (0.1 + 0.85 * swing) + 0.02


def _leg(person: Appearance, pose: Pose, side: int) -> list[BodySegment]:
    thigh_angle, flexion = _leg_angles(pose, side)
    hip: Point = (0.0, 0.51, side * 0.05 * person.build)
    knee = _reach(hip, thigh_angle, 0.245)
    ankle = _reach(knee, thigh_angle - flexion, 0.215)
    foot_angle = thigh_angle - flexion * 0.8
    toe: Point = (ankle[0] + 0.085 * np.cos(foot_angle), ankle[1] - 0.012 + 0.085 * np.sin(foot_angle), ankle[2])
    heel: Point = (ankle[0] - 0.02, ankle[1] - 0.012, ankle[2])
    width = 0.5 + 0.5 * person.build
    bare = flat_paint(person.skin)
    upper = person.lower.paint if person.bottom in ("trousers", "shorts") else bare
    lower = person.lower.paint if person.bottom == "trousers" else bare
    slim = 1.0 if person.bottom == "trousers" else 0.8
    return [
        BodySegment(hip, knee, (0.066 * width, 0.047 * width * slim), upper),
        BodySegment(knee, ankle, (0.044 * width * slim, 0.031 * width * slim), lower, nearer=0.001),
        BodySegment(heel, toe, (0.027, 0.023), flat_paint(person.shoes), nearer=0.002),
    ]


def _reach(origin: Point, angle: float, length: float) -> Point:
    """The point `length` below `origin`, swung forwards by `angle`."""
    return (origin[0] + length * float(np.sin(angle)), origin[1] - length * float(np.cos(angle)), origin[2])


def _trunk(person: Appearance, pose: Pose) -> list[BodySegment]:
    build = person.build
    lean = 0.16 if pose.posture == "ride" else 0.015
    cloth = person.lower if person.bottom in ("dress", "coat") else person.top
    if person.bottom == "dress":
        cloth = person.top
    parts = [
        BodySegment((lean, 0.795, 0.0), (0.0, 0.52, 0.0), (0.118 * build, 0.098 * build), cloth.paint, 0.62, 0.3, 0.06),
        BodySegment((lean, 0.9, 0.0), (lean, 0.82, 0.0), (0.034, 0.036), flat_paint(person.skin), nearer=-0.01),
    ]
    hem = {"skirt": 0.3, "dress": 0.27, "coat": 0.24}.get(person.bottom)
    if hem is not None and pose.posture == "walk":
        paint = person.lower.paint if person.bottom == "skirt" else cloth.paint
        flare = 1.25 if person.bottom != "coat" else 1.08
        radii = (0.1 * build, 0.1 * build * flare + 0.02 * pose.stride)
        parts.append(BodySegment((0.0, 0.54, 0.0), (0.0, hem, 0.0), radii, paint, 0.85, 0.12, 0.1))
    return parts


def _arm(person: Appearance, pose: Pose, side: int) -> list[BodySegment]:
    phase = pose.phase + (np.pi if side > 0 else 0.0)
    angle = -0.42 * pose.stride * float(np.sin(phase))
    flexion = 0.16 + 0.35 * pose.stride * max(0.0, float(np.sin(phase + np.pi)))
    lean = 0.015
    if pose.posture == "ride":
        angle, flexion, lean = 0.75, 0.25, 0.16
    elif pose.posture == "sit":
        angle, flexion = 0.35, 1.0
    shoulder: Point = (lean, 0.8, side * 0.132 * person.build)
    elbow = _reach(shoulder, angle, 0.165)
    wrist = _reach(elbow, angle + flexion, 0.14)
    hand = _reach(wrist, angle + flexion, 0.035)
    skin = flat_paint(person.skin)
    cloth = person.lower if person.bottom == "coat" else person.top
    sleeve = _sleeve(cloth)
    width = 0.5 + 0.5 * person.build
    return [
        BodySegment(wrist, hand, (0.02, 0.019), skin),
        BodySegment(
            shoulder, elbow, (0.039 * width, 0.032 * width), sleeve if person.sleeves > 0 else skin, nearer=0.002
        ),
        BodySegment(
            elbow, wrist, (0.031 * width, 0.024 * width), sleeve if person.sleeves > 0.7 else skin, nearer=0.001
        ),
    ]


def _sleeve(cloth: Cloth) -> Paint:
    """A sleeve shows the cloth's pattern, but no logo."""
    if cloth.pattern == "logo":
        return flat_paint(cloth.colour)
    return lambda azimuth, along: cloth.paint(azimuth, along * 0.55)


def _head(person: Appearance) -> list[BodySegment]:
    """Face, hair by direction on the head, and a cap, hood or long hair."""
    skin, hair = np.asarray(person.skin, np.float32), np.asarray(person.hair_colour, np.float32)

    def paint(azimuth: FloatArray, along: FloatArray) -> FloatArray:
        from_front = np.abs(np.mod(azimuth + np.pi, 2 * np.pi) - np.pi)
        line = {"bald": -9.0, "hood": 0.42}.get(person.hair, 0.30)
        rear = 9.0 if person.hair == "bald" else 1.5
        share = np.clip(0.5 + 9 * np.maximum(line - along, (from_front - rear) * 0.4), 0, 1)[..., None]
        eyes = np.clip(1.6 - 1.6 * np.hypot((from_front - 0.5) / 0.16, (along - 0.46) / 0.045), 0, 1)[..., None]
        return np.asarray((skin + share * (hair - skin)) * (1 - 0.85 * eyes), dtype=np.float32)

    parts = [BodySegment((0.015, 0.955, 0.0), (0.02, 0.905, 0.0), (0.051, 0.041), paint, 1.1, 0.95)]
    if person.hair == "long":
        parts.append(
            BodySegment(
                (-0.022, 0.95, 0.0), (-0.035, 0.83, 0.0), (0.047, 0.045), flat_paint(person.hair_colour), 0.8, 0.5
            )
        )
    if person.hair == "cap":
        cap = flat_paint(person.bag_colour)
        parts.append(BodySegment((0.01, 0.985, 0.0), (0.015, 0.962, 0.0), (0.046, 0.054), cap, 1.1, 0.5, 0.02))
        parts.append(BodySegment((0.03, 0.962, 0.0), (0.085, 0.955, 0.0), (0.03, 0.02), cap, 1.0, 0.8, 0.02))
    if person.hair == "hood":
        parts.append(BodySegment((-0.015, 0.965, 0.0), (-0.02, 0.88, 0.0), (0.05, 0.062), person.top.paint, 1.0, 0.7))
    return parts


def _bag(person: Appearance) -> list[BodySegment]:
    paint = Cloth(person.bag_colour, (0.1, 0.1, 0.1), "blocks").paint
    if person.bag == "backpack":
        return [BodySegment((-0.115, 0.77, 0.0), (-0.115, 0.62, 0.0), (0.07, 0.078), paint, 0.7, 0.45)]
    if person.bag == "shoulder":
        return [BodySegment((0.0, 0.53, 0.155), (0.0, 0.44, 0.155), (0.05, 0.062), paint, 1.3, 0.3, 0.01)]
    return []


def _bicycle(person: Appearance) -> list[BodySegment]:
    """Two wheels and a frame; lengths over a stature of 1.7 m."""
    rubber, metal = flat_paint((0.08, 0.08, 0.08)), flat_paint(person.bag_colour)
    wheels = [
        BodySegment((x, 0.2, 0.0), (x, 0.2, 0.0), (0.2, 0.2), rubber, nearer=-0.02, hollow=0.025) for x in (-0.28, 0.36)
    ]
    tubes = [
        ((-0.28, 0.2), (-0.02, 0.52)),
        ((-0.02, 0.5), (0.28, 0.5)),
        ((0.36, 0.2), (0.27, 0.62)),
        ((0.02, 0.2), (0.28, 0.5)),
    ]
    frame = [BodySegment((*a, 0.0), (*b, 0.0), (0.013, 0.013), metal, nearer=-0.01) for a, b in tubes]
    return wheels + frame
