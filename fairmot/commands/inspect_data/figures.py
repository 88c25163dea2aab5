"""Figures of an inspected data set: histograms and a mosaic of labelled images."""

from pathlib import Path

import numpy as np

from fairmot.data.inspection.box_checks import box_sides
from fairmot.data.inspection.image_checks import InspectedDataset
from fairmot.formats.images import read_image, write_image
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError
from fairmot.viz.contact_sheet import MosaicTile, draw_mosaic
from fairmot.viz.histograms import BoxSizes, IdentityLengths, draw_box_histograms, draw_identity_histograms

TILES = 12


def write_figures(dataset: InspectedDataset, output: Path, *, stem: str, tiles: int = TILES) -> list[Path]:
    """Write `boxes_<stem>.png`, `identities_<stem>.png` and, with `tiles`, `mosaic_<stem>.png`; return the files.

    The second is not written without identities, the mosaic not without readable images.
    """
    name = dataset.raw.name
    figures = {"boxes": draw_box_histograms(_box_sizes(dataset), name)}
    identities = _identity_lengths(dataset)
    if len(identities.lengths):
        figures["identities"] = draw_identity_histograms(identities, name)
    images = _labelled_images(dataset, tiles)
    if images:
        figures["mosaic"] = draw_mosaic(images)
    paths = [output / f"{kind}_{stem}.png" for kind in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        write_image(path, figure)
    return paths


def _box_sizes(dataset: InspectedDataset) -> BoxSizes:
    raw = dataset.raw
    boxes_tlwh, is_trained = raw.labels.boxes_tlwh, raw.is_trained
    sides_wh = box_sides(raw, dataset.survey.hw)
    centres = boxes_tlwh[:, :2].astype(np.float64) + boxes_tlwh[:, 2:] / 2
    relative = np.divide(centres, sides_wh, out=np.full(centres.shape, np.nan), where=sides_wh > 0)
    return BoxSizes(boxes_tlwh[is_trained], relative[is_trained], raw.trained_counts(), raw.is_normalised)


def _identity_lengths(dataset: InspectedDataset) -> IdentityLengths:
    labels = dataset.raw.labels
    rows = np.flatnonzero(dataset.raw.is_trained & (labels.ids != UNKNOWN))
    images = labels.image_of[rows]
    keys = np.stack([labels.sequence_of[images], labels.ids[rows]], axis=1)
    own, inverse, lengths = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    frames = labels.frames[images]
    first, last = np.full(len(own), np.iinfo(np.int64).max), np.zeros(len(own), dtype=np.int64)
    np.minimum.at(first, inverse.ravel(), frames)
    np.maximum.at(last, inverse.ravel(), frames)
    has_frames = len(frames) > 0 and bool((frames > 0).all())
    return IdentityLengths(
        lengths=lengths,
        spans=last - first + 1 if has_frames else np.zeros(0, dtype=np.int64),
        sequences=labels.sequences,
        per_sequence=np.bincount(own[:, 0], minlength=len(labels.sequences)),
    )


def _labelled_images(dataset: InspectedDataset, count: int) -> list[MosaicTile]:
    """Return evenly spaced readable images."""
    readable = [image for image in range(len(dataset.raw)) if image not in dataset.survey.problems]
    chosen = np.linspace(0, max(len(readable) - 1, 0), min(count, len(readable))).round().astype(int)
    images = []
    for index in chosen.tolist():
        try:
            images.append(_label_image(dataset, readable[index]))
        except InputError:  # not decoded before (--images)
            continue
    return images


def _label_image(dataset: InspectedDataset, index: int) -> MosaicTile:
    raw, labels = dataset.raw, dataset.raw.labels
    image = read_image(raw.image_path(index))
    rows = raw.rows_of(index)
    rows = rows[raw.is_trained[rows] & raw.has_area()[rows]]
    unit = [image.shape[1], image.shape[0]] * 2 if raw.is_normalised else [1] * 4
    caption = f"{labels.images[index]}, {len(rows)} boxes"
    return MosaicTile(image, labels.boxes_tlwh[rows].astype(np.float64) * unit, labels.ids[rows], caption)
