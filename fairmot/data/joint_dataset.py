"""One training image: read, augmented, letterboxed, encoded. Stateless, so any worker may make any item."""

from dataclasses import dataclass
from typing import NamedTuple

from fairmot.codec.encode import encode
from fairmot.data.augment import AugmentOptions, LabelledImage, draw_augmentation, jitter_colours, warp
from fairmot.data.samples import SampleIndex
from fairmot.formats.images import read_image
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox, letterbox_boxes
from fairmot.structures.batch import Targets
from fairmot.utils.seed import make_rng


class SampleKey(NamedTuple):
    """Which sample, and in which epoch (from 0): with the seed, all that its draws depend on."""

    epoch: int
    sample: int


@dataclass(frozen=True)
class TrainItem:
    """One image (H, W, 3) uint8 RGB of the network's input size, its targets, and its file's name for messages."""

    image: ImageArray
    targets: Targets
    name: str


class JointDataset:
    """Training images by (epoch, index): detection and identity targets of one image.

    input_hw: the network's input (height, width), multiples of `stride`.
    augment: None for the images as they are.
    """

    def __init__(
        self,
        samples: SampleIndex,
        *,
        input_hw: tuple[int, int],
        augment: AugmentOptions | None = None,
        seed: int = 0,
        stride: int = 4,
        num_classes: int = 1,
        max_objects: int = 500,
    ) -> None:
        self.samples = samples
        self.input_hw = input_hw
        self.augment = augment
        self.seed = seed
        self.stride = stride
        self.num_classes = num_classes
        self.max_objects = max_objects

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def num_identities(self) -> int:
        """How many people the identity classifier tells apart."""
        return self.samples.identity_space.count

    def __getitem__(self, key: SampleKey) -> TrainItem:
        """Return the encoded item; InputError names an image that cannot be read."""
        picture = self.load(key)
        targets = encode(
            picture.boxes_xyxy,
            picture.identities,
            input_hw=self.input_hw,
            stride=self.stride,
            num_classes=self.num_classes,
            max_objects=self.max_objects,
        )
        return TrainItem(picture.image, targets, str(self.samples[key.sample].image_path))

    def load(self, key: SampleKey) -> LabelledImage:
        """Return the network's input of a key with its boxes in input pixels: the item before it is encoded."""
        sample = self.samples[key.sample]
        image = read_image(sample.image_path)
        # + 1: NumPy's seed sequences end in implied zeros, and (seed, epoch) alone is the sampler's.
        rng = make_rng(self.seed, key.epoch, key.sample + 1)
        draw = None if self.augment is None else draw_augmentation(rng, self.augment)
        if draw is not None:
            image = jitter_colours(image, draw)
        letterbox = fit_letterbox((image.shape[0], image.shape[1]), self.input_hw)
        boxes_xyxy = letterbox_boxes(tlwh_to_xyxy(sample.boxes_tlwh), letterbox)
        picture = LabelledImage(apply_letterbox(image, letterbox), boxes_xyxy, sample.identities)
        return picture if draw is None or self.augment is None else warp(picture, draw, self.augment)
