"""Training dataset: images read, augmented, letterboxed and encoded. Stateless: any worker may load any item."""

from dataclasses import dataclass
from typing import NamedTuple

from fairmot.codec.encode import encode
from fairmot.data.augment.affine import (
    AugmentDraw,
    AugmentOptions,
    LabelledImage,
    draw_augmentation,
    jitter_colours,
    transform_labels,
    warp,
)
from fairmot.data.augment.extra import add_extras
from fairmot.data.augment.fast import cover_size, render
from fairmot.data.samples import Sample, SampleIndex
from fairmot.formats.images import read_image, read_reduced
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import Letterbox, apply_letterbox, fit_letterbox, letterbox_boxes
from fairmot.structures.batch import Targets
from fairmot.utils.seed import make_rng


class SampleKey(NamedTuple):
    """Epoch (from 0) and sample index; together with the seed they determine all random draws of an item."""

    epoch: int
    sample: int


@dataclass(frozen=True)
class TrainItem:
    """One image (H, W, 3) uint8 RGB of the network's input size, its targets, and its file for messages."""

    image: ImageArray
    targets: Targets
    name: str


@dataclass(frozen=True)
class TargetOptions:
    """Options of `encode`; its own arguments."""

    stride: int = 4
    num_classes: int = 1
    max_objects: int = 500
    render: bool = True


class JointDataset:
    """Training images with the detection and identity targets of one image, by (epoch, index).

    input_hw: the network's input (height, width), multiples of the targets' stride.
    augment: None disables augmentation.
    """

    def __init__(
        self,
        samples: SampleIndex,
        *,
        input_hw: tuple[int, int],
        augment: AugmentOptions | None = None,
        seed: int = 0,
        targets: TargetOptions | None = None,
    ) -> None:
        self.samples = samples
        self.input_hw = input_hw
        self.augment = augment
        self.seed = seed
        self.targets = targets or TargetOptions()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def identity_counts(self) -> tuple[int, ...]:
        """Number of identities of each class."""
        return self.samples.identity_counts

    def __getitem__(self, key: SampleKey) -> TrainItem:
        """Return the encoded item; InputError names an image that cannot be read."""
        labelled = self.load(key)
        targets = encode(
            labelled.boxes_xyxy,
            labelled.identities,
            input_hw=self.input_hw,
            classes=labelled.classes,
            **vars(self.targets),
        )
        return TrainItem(labelled.image, targets, str(self.samples[key.sample].image_path))

    def load(self, key: SampleKey) -> LabelledImage:
        """Return the network's input with its boxes in input pixels: the item before it is encoded."""
        options = self.augment
        if options is None:
            return read_letterboxed(self.samples[key.sample], input_hw=self.input_hw)
        # + 1: NumPy's seed sequences ignore trailing zeros, and (seed, epoch) alone is the sampler's.
        rng = make_rng(self.seed, key.epoch, key.sample + 1)

        def augmented(index: int) -> LabelledImage:
            draw = draw_augmentation(rng, options)
            return read_augmented(self.samples[index], draw, options, input_hw=self.input_hw)

        return add_extras(augmented(key.sample), rng, options, lambda: augmented(int(rng.integers(len(self)))))


def read_letterboxed(sample: Sample, draw: AugmentDraw | None = None, *, input_hw: tuple[int, int]) -> LabelledImage:
    """Return the sample letterboxed, with the colours of `draw`; InputError names an image that cannot be read."""
    image = read_image(sample.image_path)
    if draw is not None:
        image = jitter_colours(image, draw)
    letterbox = fit_letterbox((image.shape[0], image.shape[1]), input_hw)
    return _add_labels(apply_letterbox(image, letterbox), sample, letterbox)


def read_augmented(
    sample: Sample, draw: AugmentDraw, options: AugmentOptions, *, input_hw: tuple[int, int]
) -> LabelledImage:
    """Return the sample augmented by `draw`; InputError names an image that cannot be read.

    `options.implementation` "full" augments the full image, as the reference implementation does; "fast" gives nearly
    the same pixels (`fairmot.data.augment.fast`). Boxes and identities are equal.
    """
    if options.implementation == "full":
        return warp(read_letterboxed(sample, draw, input_hw=input_hw), draw, options)
    reduced = read_reduced(sample.image_path, cover_size(input_hw))
    letterbox = fit_letterbox(reduced.full_hw, input_hw)
    image = render(reduced, letterbox, draw, axes=options.translation_axes)
    return transform_labels(_add_labels(image, sample, letterbox), draw, options)


def _add_labels(image: ImageArray, sample: Sample, letterbox: Letterbox) -> LabelledImage:
    labels = sample.labels(letterbox.image_hw)
    boxes_xyxy = letterbox_boxes(labels.boxes_xyxy, letterbox)
    return LabelledImage(image, boxes_xyxy, labels.identities, labels.classes)
