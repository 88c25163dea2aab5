"""One training image: read, augmented, letterboxed, encoded. Stateless, so any worker may make any item."""

from dataclasses import dataclass
from typing import NamedTuple

from fairmot.codec.encode import encode
from fairmot.data.augment import AugmentOptions, LabelledImage, draw_augmentation
from fairmot.data.augment_extras import add_extras
from fairmot.data.picture import read_augmented, read_picture
from fairmot.data.samples import SampleIndex
from fairmot.geometry.arrays import ImageArray
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


@dataclass(frozen=True)
class TargetOptions:
    """What `encode` is to make of an image's boxes; its own arguments."""

    stride: int = 4
    num_classes: int = 1
    max_objects: int = 500
    renders: bool = True


class JointDataset:
    """Training images by (epoch, index): detection and identity targets of one image.

    input_hw: the network's input (height, width), multiples of the targets' stride.
    augment: None for the images as they are.
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
        """How many identities of each class the classifiers tell apart."""
        return self.samples.identity_counts

    def __getitem__(self, key: SampleKey) -> TrainItem:
        """Return the encoded item; InputError names an image that cannot be read."""
        picture = self.load(key)
        targets = encode(
            picture.boxes_xyxy,
            picture.identities,
            input_hw=self.input_hw,
            classes=picture.classes,
            stride=self.targets.stride,
            num_classes=self.targets.num_classes,
            max_objects=self.targets.max_objects,
            renders=self.targets.renders,
        )
        return TrainItem(picture.image, targets, str(self.samples[key.sample].image_path))

    def load(self, key: SampleKey) -> LabelledImage:
        """Return the network's input of a key with its boxes in input pixels: the item before it is encoded."""
        if self.augment is None:
            return read_picture(self.samples[key.sample], self.input_hw)
        options = self.augment
        # + 1: NumPy's seed sequences end in implied zeros, and (seed, epoch) alone is the sampler's.
        rng = make_rng(self.seed, key.epoch, key.sample + 1)

        def augmented(index: int) -> LabelledImage:
            draw = draw_augmentation(rng, options)
            return read_augmented(self.samples[index], draw, options, input_hw=self.input_hw)

        return add_extras(augmented(key.sample), rng, options, lambda: augmented(int(rng.integers(len(self)))))
