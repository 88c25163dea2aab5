"""Articulated body model: tapered capsules in three dimensions from appearance and pose.

Body axes in statures: forward, up, left; the ground is up = 0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.synthetic.appearance import Appearance, Cloth, Colour

Posture = Literal["walk", "sit", "ride"]
Point = tuple[float, float, float]
ColourFunction = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Pose:
    """Gait phase in radians, stride in [0, 1] (0 = standing), and posture: walking, sitting or riding a bicycle."""

    phase: float = 0.0
    stride: float = 0.0
    posture: Posture = "walk"


@dataclass(frozen=True)
class BodySegment:
    """Capsule from `start` to `end` (forward, up, left) with their radii, all in statures.

    colour_at: (azimuth, along) -> colours (..., 3). flatness: front-to-back over side-to-side thickness.
    cap: length of the rounded ends in radii. depth_bias: offset towards the camera in the depth order.
    rim: thickness of a ring's rim in statures; 0 for a solid segment.
    """

    start: Point
    end: Point
    radii: tuple[float, float]
    colour_at: ColourFunction
    flatness: float = 1.0
    cap: float = 1.0
    depth_bias: float = 0.0
    rim: float = 0.0


def uniform_colour(colour: Colour) -> ColourFunction:
    """Return a function that gives one colour everywhere."""
    return Cloth(colour, colour).colour_at


def build_body(person: Appearance, pose: Pose) -> list[BodySegment]:
    """Return the segments of a person; the lowest shoe is on the ground."""
    legs = _leg(person, pose, -1) + _leg(person, pose, 1)
    segments = legs + _trunk(person, pose) + _head(person) + _bag(person)
    segments += _arm(person, pose, -1) + _arm(person, pose, 1)
    if pose.posture == "ride":
        return [_shift_up(segment, 0.1) for segment in segments] + _bicycle(person)
    lowest = min(min(part.start[1] - part.radii[0], part.end[1] - part.radii[1]) for part in legs)
    return [_shift_up(segment, -lowest) for segment in segments]


def _shift_up(segment: BodySegment, up: float) -> BodySegment:
    start, end = ((point[0], point[1] + up, point[2]) for point in (segment.start, segment.end))
    return replace(segment, start=start, end=end)


def _leg_angles(pose: Pose, side: int) -> tuple[float, float]:
    """Return thigh angle from the vertical (forwards) and knee flexion in radians; the legs are half a cycle apart."""
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
    knee = _endpoint(hip, thigh_angle, 0.245)
    ankle = _endpoint(knee, thigh_angle - flexion, 0.215)
    foot_angle = thigh_angle - flexion * 0.8
    toe: Point = (ankle[0] + 0.085 * np.cos(foot_angle), ankle[1] - 0.012 + 0.085 * np.sin(foot_angle), ankle[2])
    heel: Point = (ankle[0] - 0.02, ankle[1] - 0.012, ankle[2])
    width = 0.5 + 0.5 * person.build
    bare = uniform_colour(person.skin)
    upper = person.lower.colour_at if person.bottom in ("trousers", "shorts") else bare
    lower = person.lower.colour_at if person.bottom == "trousers" else bare
    slim = 1.0 if person.bottom == "trousers" else 0.8
    return [
        BodySegment(hip, knee, (0.066 * width, 0.047 * width * slim), upper),
        BodySegment(knee, ankle, (0.044 * width * slim, 0.031 * width * slim), lower, depth_bias=0.001),
        BodySegment(heel, toe, (0.027, 0.023), uniform_colour(person.shoes), depth_bias=0.002),
    ]


def _endpoint(origin: Point, angle: float, length: float) -> Point:
    """Return the point `length` below `origin`, rotated forwards by `angle`."""
    return (origin[0] + length * float(np.sin(angle)), origin[1] - length * float(np.cos(angle)), origin[2])


def _trunk(person: Appearance, pose: Pose) -> list[BodySegment]:
    build = person.build
    lean = 0.16 if pose.posture == "ride" else 0.015
    cloth = person.lower if person.bottom == "coat" else person.top
    radii = (0.118 * build, 0.098 * build)
    segments = [
        BodySegment((lean, 0.795, 0.0), (0.0, 0.52, 0.0), radii, cloth.colour_at, 0.62, 0.3, 0.06),
        BodySegment((lean, 0.9, 0.0), (lean, 0.82, 0.0), (0.034, 0.036), uniform_colour(person.skin), depth_bias=-0.01),
    ]
    hem = {"skirt": 0.3, "dress": 0.27, "coat": 0.24}.get(person.bottom)
    if hem is not None and pose.posture == "walk":
        colour_at = person.lower.colour_at if person.bottom == "skirt" else cloth.colour_at
        flare = 1.25 if person.bottom != "coat" else 1.08
        radii = (0.1 * build, 0.1 * build * flare + 0.02 * pose.stride)
        segments.append(BodySegment((0.0, 0.54, 0.0), (0.0, hem, 0.0), radii, colour_at, 0.85, 0.12, 0.1))
    return segments


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
    elbow = _endpoint(shoulder, angle, 0.165)
    wrist = _endpoint(elbow, angle + flexion, 0.14)
    hand = _endpoint(wrist, angle + flexion, 0.035)
    skin = uniform_colour(person.skin)
    cloth = person.lower if person.bottom == "coat" else person.top
    plain = uniform_colour(cloth.colour)
    sleeve = plain if cloth.pattern == "logo" else lambda azimuth, along: cloth.colour_at(azimuth, along * 0.55)
    upper, lower = (sleeve if person.sleeves > shortest else skin for shortest in (0, 0.7))
    width = 0.5 + 0.5 * person.build
    return [
        BodySegment(wrist, hand, (0.02, 0.019), skin),
        BodySegment(shoulder, elbow, (0.039 * width, 0.032 * width), upper, depth_bias=0.002),
        BodySegment(elbow, wrist, (0.031 * width, 0.024 * width), lower, depth_bias=0.001),
    ]


def _head(person: Appearance) -> list[BodySegment]:
    """Return face and hair, and a cap, hood or long hair."""
    skin, hair = np.asarray(person.skin, np.float32), np.asarray(person.hair_colour, np.float32)

    def colour_at(azimuth: FloatArray, along: FloatArray) -> FloatArray:
        from_front = np.abs(np.mod(azimuth + np.pi, 2 * np.pi) - np.pi)
        hairline = {"bald": -9.0, "hood": 0.42}.get(person.hair, 0.30)
        rear = 9.0 if person.hair == "bald" else 1.5
        weight = np.clip(0.5 + 9 * np.maximum(hairline - along, (from_front - rear) * 0.4), 0, 1)[..., None]
        eyes = np.clip(1.6 - 1.6 * np.hypot((from_front - 0.5) / 0.16, (along - 0.46) / 0.045), 0, 1)[..., None]
        return np.asarray((skin + weight * (hair - skin)) * (1 - 0.85 * eyes), dtype=np.float32)

    segments = [BodySegment((0.015, 0.955, 0.0), (0.02, 0.905, 0.0), (0.051, 0.041), colour_at, 1.1, 0.95)]
    if person.hair == "long":
        colour = uniform_colour(person.hair_colour)
        segments.append(BodySegment((-0.022, 0.95, 0.0), (-0.035, 0.83, 0.0), (0.047, 0.045), colour, 0.8, 0.5))
    if person.hair == "cap":
        cap = uniform_colour(person.bag_colour)
        segments.append(BodySegment((0.01, 0.985, 0.0), (0.015, 0.962, 0.0), (0.046, 0.054), cap, 1.1, 0.5, 0.02))
        segments.append(BodySegment((0.03, 0.962, 0.0), (0.085, 0.955, 0.0), (0.03, 0.02), cap, 1.0, 0.8, 0.02))
    if person.hair == "hood":
        hood = person.top.colour_at
        segments.append(BodySegment((-0.015, 0.965, 0.0), (-0.02, 0.88, 0.0), (0.05, 0.062), hood, 1.0, 0.7))
    return segments


def _bag(person: Appearance) -> list[BodySegment]:
    colour_at = Cloth(person.bag_colour, (0.1, 0.1, 0.1), "blocks").colour_at
    if person.bag == "backpack":
        return [BodySegment((-0.115, 0.77, 0.0), (-0.115, 0.62, 0.0), (0.07, 0.078), colour_at, 0.7, 0.45)]
    if person.bag == "shoulder":
        return [BodySegment((0.0, 0.53, 0.155), (0.0, 0.44, 0.155), (0.05, 0.062), colour_at, 1.3, 0.3, 0.01)]
    return []


def _bicycle(person: Appearance) -> list[BodySegment]:
    """Return two wheels and a frame; lengths are relative to a stature of 1.7 m."""
    rubber, metal = uniform_colour((0.08, 0.08, 0.08)), uniform_colour(person.bag_colour)
    hubs: list[Point] = [(-0.28, 0.2, 0.0), (0.36, 0.2, 0.0)]
    wheels = [BodySegment(hub, hub, (0.2, 0.2), rubber, depth_bias=-0.02, rim=0.025) for hub in hubs]
    tubes = [
        ((-0.28, 0.2), (-0.02, 0.52)),
        ((-0.02, 0.5), (0.28, 0.5)),
        ((0.36, 0.2), (0.27, 0.62)),
        ((0.02, 0.2), (0.28, 0.5)),
    ]
    frame = [BodySegment((*a, 0.0), (*b, 0.0), (0.013, 0.013), metal, depth_bias=-0.01) for a, b in tubes]
    return wheels + frame
