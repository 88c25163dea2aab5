"""Trajectories: position, heading and gait phase in every frame, sampled from waypoints on the ground."""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray

STRIDE = 0.82  # length of a full gait cycle in statures


@dataclass(frozen=True)
class Trajectory:
    """Trajectory over F frames.

    x, depth: (F,) metres. heading: (F,) radians, 0 to the right, pi/2 away from the camera.
    phase: (F,) gait phase in radians. stride: (F,) in [0, 1], 0 while standing. present: (F,) whether in the world.
    """

    x: FloatArray
    depth: FloatArray
    heading: FloatArray
    phase: FloatArray
    stride: FloatArray
    present: BoolArray


@dataclass(frozen=True)
class Waypoint:
    """Target (x, depth) in metres, reached in a straight line at `speed` m/s, and seconds of `pause` there."""

    x: float
    depth: float
    speed: float
    pause: float = 0.0


def path_duration(start: tuple[float, float], waypoints: list[Waypoint]) -> float:
    """Return the duration of a path in seconds."""
    return float(_schedule(start, waypoints)[0][-1])


def sample_path(
    start: tuple[float, float], waypoints: list[Waypoint], seconds: FloatArray, *, stature: float
) -> Trajectory:
    """Sample a path at `seconds` (F,) after its start; outside its duration the walker is not present."""
    times, points = _schedule(start, waypoints)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    distance = np.interp(seconds, times, travelled)
    x, depth = (_smooth(seconds, np.interp(seconds, times, axis), times) for axis in points.T)
    heading, speed = _headings_and_speeds(seconds, times, points)
    return Trajectory(
        x=x,
        depth=depth,
        heading=heading,
        phase=2 * np.pi * distance / (STRIDE * stature),
        stride=np.clip(speed / 1.3, 0.0, 1.15),
        present=(seconds >= 0) & (seconds <= times[-1]),
    )


def stationary(x: float, depth: float, heading: float, frames: int) -> Trajectory:
    """Return the trajectory of a static person or statue."""
    still = np.zeros(frames)
    return Trajectory(still + x, still + depth, still + heading, still, still, np.ones(frames, dtype=bool))


def _schedule(start: tuple[float, float], waypoints: list[Waypoint]) -> tuple[FloatArray, FloatArray]:
    """Return times (K,) and points (K, 2); a pause repeats a point."""
    times: list[float] = [0.0]
    points: list[tuple[float, float]] = [start]
    for waypoint in waypoints:
        length = float(np.hypot(waypoint.x - points[-1][0], waypoint.depth - points[-1][1]))
        times.append(times[-1] + length / waypoint.speed)
        points.append((waypoint.x, waypoint.depth))
        if waypoint.pause > 0:
            times.append(times[-1] + waypoint.pause)
            points.append((waypoint.x, waypoint.depth))
    return np.array(times), np.array(points)


def _smooth(seconds: FloatArray, values: FloatArray, times: FloatArray) -> FloatArray:
    """Smooth a path over a quarter of a second; its ends are fixed."""
    step = float(seconds[1] - seconds[0]) if len(seconds) > 1 else 1.0
    radius = round(0.12 / step)
    if not 0 < radius < len(values) or len(times) <= 2:
        return values
    padded = np.pad(values, radius, mode="reflect", reflect_type="odd")
    kernel = np.full(2 * radius + 1, 1 / (2 * radius + 1))
    return np.asarray(np.convolve(padded, kernel, "valid"))


def _headings_and_speeds(seconds: FloatArray, times: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return heading and speed of each sample; a pause keeps the heading before it."""
    steps, spans = np.diff(points, axis=0), np.diff(times)
    speeds = np.hypot(*steps.T) / np.maximum(spans, 1e-9)
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    for index in range(1, len(angles)):
        if speeds[index] < 1e-9:
            angles[index] = angles[index - 1]
    segment = np.clip(np.searchsorted(times, seconds, side="right") - 1, 0, len(spans) - 1)
    return angles[segment], speeds[segment]
