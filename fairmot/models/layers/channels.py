"""Channel counts of slim networks."""


def scale_channels(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Multiply each count by `width`, to the nearest multiple of 8, at least 8; width 1 changes nothing.

    >>> scale_channels((16, 64, 512), 0.25)
    (8, 16, 128)
    """
    return tuple(count if width == 1.0 else max(8, round(count * width / 8) * 8) for count in channels)
