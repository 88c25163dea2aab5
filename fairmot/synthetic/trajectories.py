"""Walks: waypoints on the ground into a position, a heading and a gait phase for every frame."""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray

STRIDE = 0.82  # metres of a full gait cycle, over the stature


@dataclass(frozen=True)
class Walk:
    """Where somebody is in each of F frames.

    x, depth: (F,) metres. heading: (F,) radians, 0 to the right, pi/2 away from the camera.
    phase: (F,) gait phase in radians. stride: (F,) in [0, 1], 0 while standing. present: (F,) in the world at all.
    """

    x: FloatArray
    depth: FloatArray
    heading: FloatArray
    phase: FloatArray
    stride: FloatArray
    present: BoolArray


@dataclass(frozen=True)
class Leg:
    """Go straight to (x, depth) in metres at `speed` metres a second, then stand for `pause` seconds."""

    x: float
    depth: float
    speed: float
    pause: float = 0.0


def duration(start: tuple[float, float], legs: list[Leg]) -> float:
    """Seconds that `legs` take from `start` (x, depth)."""
    return float(_timetable(start, legs)[0][-1])


def walk_along(start: tuple[float, float], legs: list[Leg], seconds: FloatArray, *, stature: float) -> Walk:
    """Sample a path at `seconds` (F,) after its start; before the start and after the end the walker is absent."""
    times, points = _timetable(start, legs)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    distance = np.interp(seconds, times, travelled)
    x, depth = (_soften(seconds, np.interp(seconds, times, axis), times) for axis in points.T)
    heading, speed = _headings(seconds, times, points)
    return Walk(
        x=x,
        depth=depth,
        heading=heading,
        phase=2 * np.pi * distance / (STRIDE * stature),
        stride=np.clip(speed / 1.3, 0.0, 1.15),
        present=(seconds >= 0) & (seconds <= times[-1]),
    )


def stand(x: float, depth: float, heading: float, frames: int) -> Walk:
    """Somebody or something that does not move."""
    still = np.zeros(frames)
    return Walk(still + x, still + depth, still + heading, still, still, np.ones(frames, dtype=bool))


def _timetable(start: tuple[float, float], legs: list[Leg]) -> tuple[FloatArray, FloatArray]:
    """Return times (K,) and points (K, 2); a pause is a point twice."""
    times: list[float] = [0.0]
    points: list[tuple[float, float]] = [start]
    for leg in legs:
        length = float(np.hypot(leg.x - points[-1][0], leg.depth - points[-1][1]))
        times.append(times[-1] + length / leg.speed)
        points.append((leg.x, leg.depth))
        if leg.pause > 0:
            times.append(times[-1] + leg.pause)
            points.append((leg.x, leg.depth))
    return np.array(times), np.array(points)


def _soften(seconds: FloatArray, values: FloatArray, times: FloatArray) -> FloatArray:
    """Round the corners of a path over a quarter of a second; its ends stay where they are."""
    step = float(seconds[1] - seconds[0]) if len(seconds) > 1 else 1.0
    reach = round(0.12 / step)
    if not 0 < reach < len(values) or len(times) <= 2:
        return values
    padded = np.pad(values, reach, mode="reflect", reflect_type="odd")
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    return np.asarray(np.convolve(padded, kernel, "valid"))


def _headings(seconds: FloatArray, times: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Heading and speed of the leg each sample lies on; a pause keeps the heading of the leg before it."""
    steps, spans = np.diff(points, axis=0), np.diff(times)
    speeds = np.hypot(*steps.T) / np.maximum(spans, 1e-9)
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    for index in range(1, len(angles)):
        if speeds[index] < 1e-9:
            angles[index] = angles[index - 1]
    leg = np.clip(np.searchsorted(times, seconds, side="right") - 1, 0, len(spans) - 1)
    return angles[leg], speeds[leg]
