"""Pictures of an inspected data set: histograms and a mosaic of labelled images."""

from pathlib import Path

import numpy as np

from fairmot.data.inspection.box_checks import box_sides
from fairmot.data.inspection.image_checks import Surveyed
from fairmot.data.inspection.label_checks import boxes_an_image
from fairmot.formats.images import read_image, write_image
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError
from fairmot.viz.histograms import BoxSizes, IdentityLengths, draw_box_histograms, draw_identity_histograms
from fairmot.viz.mosaic import Labelled, mosaic

TILES = 12


def write_pictures(one: Surveyed, output: Path, *, stem: str, tiles: int = TILES) -> list[Path]:
    """Write `boxes_<stem>.png`, `identities_<stem>.png` and, with `tiles`, `mosaic_<stem>.png`; return the files.

    A data set without identities has no second one; one of which no image can be read, no mosaic.
    """
    name = one.raw.name
    pictures = {"boxes": draw_box_histograms(_box_sizes(one), name)}
    lengths = _identity_lengths(one)
    if len(lengths.lengths):
        pictures["identities"] = draw_identity_histograms(lengths, name)
    labelled = _labelled(one, tiles)
    if labelled:
        pictures["mosaic"] = mosaic(labelled)
    paths = []
    for kind, picture in pictures.items():
        paths.append(output / f"{kind}_{stem}.png")
        write_image(paths[-1], picture)
    return paths


def _box_sizes(one: Surveyed) -> BoxSizes:
    raw = one.raw
    sides_wh = box_sides(raw, one.survey.hw)
    centres = raw.boxes_tlwh[:, :2].astype(np.float64) + raw.boxes_tlwh[:, 2:] / 2
    shares = np.divide(centres, sides_wh, out=np.full(centres.shape, np.nan), where=sides_wh > 0)
    return BoxSizes(raw.boxes_tlwh[raw.trains], shares[raw.trains], boxes_an_image(raw), raw.is_normalised)


def _identity_lengths(one: Surveyed) -> IdentityLengths:
    raw = one.raw
    rows = np.flatnonzero(raw.trains & (raw.ids != UNKNOWN))
    images = raw.image_of[rows]
    keys = np.stack([raw.sequence_of[images], raw.ids[rows]], axis=1)
    own, places, lengths = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    frames = raw.frames[images]
    first, last = np.full(len(own), np.iinfo(np.int64).max), np.zeros(len(own), dtype=np.int64)
    np.minimum.at(first, places.ravel(), frames)
    np.maximum.at(last, places.ravel(), frames)
    has_frames = len(frames) > 0 and bool((frames > 0).all())
    return IdentityLengths(
        lengths=lengths,
        spans=last - first + 1 if has_frames else np.zeros(0, dtype=np.int64),
        sequences=raw.sequences,
        per_sequence=np.bincount(own[:, 0], minlength=len(raw.sequences)),
    )


def _labelled(one: Surveyed, count: int) -> list[Labelled]:
    """Return evenly spread images that can be read."""
    raw = one.raw
    good = [image for image in range(len(raw)) if image not in one.survey.problems]
    places = np.linspace(0, max(len(good) - 1, 0), min(count, len(good))).round().astype(int).tolist()
    tiles = []
    for place in places:
        try:
            tiles.append(_label(one, good[place]))
        except InputError:  # one that nobody had decoded before
            continue
    return tiles


def _label(one: Surveyed, image: int) -> Labelled:
    raw = one.raw
    picture = read_image(raw.image_path(image))
    rows = np.arange(raw.box_ends[image - 1] if image else 0, raw.box_ends[image])
    rows = rows[raw.trains[rows] & (raw.boxes_tlwh[rows, 2:] > 0).all(axis=1)]
    unit = [picture.shape[1], picture.shape[0]] * 2 if raw.is_normalised else [1] * 4
    caption = f"{raw.images[image]}, {len(rows)} boxes"
    return Labelled(picture, raw.boxes_tlwh[rows].astype(np.float64) * unit, raw.ids[rows], caption)
