"""From a sample to the network's input with its people: as it is, or augmented by one of two paths."""

from fairmot.data.augment import AugmentDraw, AugmentOptions, LabelledImage, carry_people, jitter_colours, warp
from fairmot.data.augment_fast import cover_size, render
from fairmot.data.samples import Sample
from fairmot.formats.images import read_image, read_reduced
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import Letterbox, apply_letterbox, fit_letterbox, letterbox_boxes


def read_picture(sample: Sample, input_hw: tuple[int, int]) -> LabelledImage:
    """Return the sample letterboxed; InputError names an image that cannot be read."""
    image = read_image(sample.image_path)
    letterbox = fit_letterbox((image.shape[0], image.shape[1]), input_hw)
    return _labelled(apply_letterbox(image, letterbox), sample, letterbox)


def read_augmented(
    sample: Sample,
    draw: AugmentDraw,
    options: AugmentOptions,
    *,
    input_hw: tuple[int, int],
) -> LabelledImage:
    """Return the sample augmented by `draw`; InputError names an image that cannot be read.

    `options.path` "full" works on the whole image, as published; "fast" gives nearly its pixels (`augment_fast`).
    People and their boxes are the same.
    """
    if options.path == "full":
        image = jitter_colours(read_image(sample.image_path), draw)
        letterbox = fit_letterbox((image.shape[0], image.shape[1]), input_hw)
        return warp(_labelled(apply_letterbox(image, letterbox), sample, letterbox), draw, options)
    reduced = read_reduced(sample.image_path, cover_size(input_hw))
    letterbox = fit_letterbox(reduced.full_hw, input_hw)
    image = render(reduced, letterbox, draw, axes=options.translation_axes)
    return carry_people(_labelled(image, sample, letterbox), draw, options)


def _labelled(image: ImageArray, sample: Sample, letterbox: Letterbox) -> LabelledImage:
    labels = sample.labels(letterbox.image_hw)
    boxes_xyxy = letterbox_boxes(labels.boxes_xyxy, letterbox)
    return LabelledImage(image, boxes_xyxy, labels.identities, labels.classes)
