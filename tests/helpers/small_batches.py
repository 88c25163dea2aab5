"""Batches of given boxes on a small map, as training has them."""

import numpy as np
import torch

from fairmot.codec.encode import encode
from fairmot.structures.batch import Batch

MAP_HW = (16, 24)
INPUT_HW = (4 * MAP_HW[0], 4 * MAP_HW[1])
PADDING = 3  # unused slots


def make_batch(boxes_by_image, identities_by_image=None, classes_by_image=None):
    """Images of boxes (left, top, right, bottom) in cells; identities count from 0 over the batch if not given."""
    counts = [len(boxes) for boxes in boxes_by_image]
    starts = np.cumsum([0, *counts])
    identities = identities_by_image or [np.arange(a, a + n) for a, n in zip(starts, counts, strict=False)]
    classes = classes_by_image or [np.zeros(n, dtype=np.int64) for n in counts]
    targets = [
        encode(
            np.array(each, dtype=np.float64).reshape(-1, 4) * 4,
            np.asarray(ids, dtype=np.int64),
            input_hw=INPUT_HW,
            num_classes=3,
            classes=np.asarray(kinds, dtype=np.int64),
        )
        for each, ids, kinds in zip(boxes_by_image, identities, classes, strict=True)
    ]
    size = max(counts) + PADDING
    mask = torch.arange(size) < torch.tensor(counts)[:, None]

    def padded(name, junk):
        first = torch.from_numpy(getattr(targets[0], name))
        slots = torch.full((len(targets), size, *first.shape[1:]), junk, dtype=first.dtype)
        for row, target in zip(slots, targets, strict=True):
            values = torch.from_numpy(getattr(target, name))
            row[: len(values)] = values
        return slots

    return Batch(
        images_B3HW=torch.zeros(len(targets), 3, *INPUT_HW),
        heatmap_BCHW=torch.from_numpy(np.stack([target.heatmap for target in targets])),
        indices_BK=padded("indices", 0),
        mask_BK=mask,
        sizes_BK4=padded("sizes_ltrb", 1e3),
        offsets_BK2=padded("offsets", 0.75),
        identities_BK=padded("identities", 0),
        classes_BK=padded("classes", 0),
        radii_BK=padded("radii", 1),
        image_paths=tuple(f"{number}.jpg" for number in range(len(targets))),
    )


def random_batch(seed=0, images=2, people=6, unknown=0.3):
    """Boxes of all sizes, some overlapping, some across the border; a fraction of the identities unknown."""
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(images):
        middles = rng.uniform([-3, -3], [27, 19], (people, 2))
        sizes = rng.lognormal(1.5, 0.9, (people, 2))
        boxes.append(np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1))
    identities = [np.where(rng.random(people) < unknown, -1, np.arange(people)) for _ in range(images)]
    return make_batch(boxes, identities, [rng.integers(0, 3, people) for _ in range(images)])
