import numpy as np
import torch

from fairmot.codec.encode import encode
from fairmot.data.collate import collate
from fairmot.data.joint_dataset import TrainItem


def item(count, seed=0):
    rng = np.random.default_rng(seed)
    left_top = rng.uniform(0, 30, (count, 2))
    targets = encode(np.concatenate([left_top, left_top + 12], axis=1), np.arange(count) + 7, input_hw=(32, 64))
    return TrainItem(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8), targets, f"{seed}.jpg")


def test_collate_pads_to_largest_count():
    items = [item(2, 0), item(0, 1), item(3, 2)]
    batch = collate(items)
    assert batch.mask_BK.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert batch.identities_BK.tolist() == [[7, 8, -1], [-1] * 3, [7, 8, 9]]
    assert batch.sizes_BK4.shape == (3, 3, 4)
    assert batch.offsets_BK2.shape == (3, 3, 2)
    assert batch.image_paths == ("0.jpg", "1.jpg", "2.jpg")
    np.testing.assert_array_equal(batch.indices_BK[2].numpy(), items[2].targets.indices)
    np.testing.assert_array_equal(batch.heatmap_BCHW[0].numpy(), items[0].targets.heatmap)
    assert (batch.indices_BK[1] == 0).all()


def test_collate_without_objects_has_one_padding():
    batch = collate([item(0), item(0)])
    assert batch.mask_BK.tolist() == [[False], [False]]
    assert batch.identities_BK.tolist() == [[-1], [-1]]


def test_collate_types_and_pixels():
    made = item(1)
    batch = collate([made])
    types = {name: getattr(batch, name).dtype for name in batch._fields if name != "image_paths"}
    assert types == {
        "images_B3HW": torch.float32,
        "heatmap_BCHW": torch.float32,
        "indices_BK": torch.int64,
        "mask_BK": torch.bool,
        "sizes_BK4": torch.float32,
        "offsets_BK2": torch.float32,
        "identities_BK": torch.int64,
        "classes_BK": torch.int64,
        "radii_BK": torch.int64,
    }
    expected = torch.from_numpy(made.image).permute(2, 0, 1).float().div(255)
    assert torch.equal(batch.images_B3HW[0], expected)
    assert batch.images_B3HW.is_contiguous()
