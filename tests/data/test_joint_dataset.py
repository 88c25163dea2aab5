import numpy as np
import pytest
from helpers.small_sequences import index_samples, make_sequence, walkers

from fairmot.data.augment.affine import AugmentOptions
from fairmot.data.joint_dataset import JointDataset, SampleKey, TargetOptions
from fairmot.utils.errors import InputError


@pytest.fixture
def samples(tmp_path):
    return index_samples(
        [make_sequence(tmp_path, "S1", walkers((1, 2), 3)), make_sequence(tmp_path, "S2", walkers((1,), 3))]
    )


def same(one, other):
    arrays = [(one.image, other.image)]
    arrays += [(getattr(one.targets, name), getattr(other.targets, name)) for name in vars(one.targets)]
    return all(np.array_equal(a, b) for a, b in arrays)


def test_an_item_without_augmentation_is_the_letterboxed_image(samples):
    dataset = JointDataset(samples, input_hw=(96, 128))
    item = dataset[SampleKey(0, 0)]
    assert len(dataset) == 6
    assert dataset.identity_counts == (3,)
    assert item.image.shape == (96, 128, 3)
    assert item.name.endswith("000001.png")
    assert item.targets.heatmap.shape == (1, 24, 32)
    assert item.targets.identities.tolist() == [0, 1]
    # Box 9, 6, 12, 30 of frame 1 at twice the size: centre (30, 42), half of its sides 12 and 30.
    assert item.targets.indices[0] == 10 * 32 + 7
    np.testing.assert_allclose(item.targets.sizes_ltrb[0], [3, 7.5, 3, 7.5])


def test_an_item_depends_on_seed_epoch_and_sample_alone(samples):
    options = AugmentOptions()
    one = JointDataset(samples, input_hw=(96, 128), augment=options, seed=3)
    other = JointDataset(samples, input_hw=(96, 128), augment=options, seed=3)
    for sample in range(6):
        other[SampleKey(9, sample)]
    assert same(one[SampleKey(2, 4)], other[SampleKey(2, 4)])
    assert not same(one[SampleKey(2, 4)], one[SampleKey(3, 4)])
    reseeded = JointDataset(samples, input_hw=(96, 128), augment=options, seed=4)
    assert not same(one[SampleKey(2, 4)], reseeded[SampleKey(2, 4)])


def test_options_of_encoding_reach_the_targets(samples):
    options = TargetOptions(stride=8, num_classes=2, max_objects=1)
    dataset = JointDataset(samples, input_hw=(96, 128), targets=options)
    targets = dataset[SampleKey(0, 0)].targets
    assert targets.heatmap.shape == (2, 12, 16)
    assert len(targets.indices) == 1


def test_an_image_that_is_gone_is_named(samples):
    samples[0].image_path.unlink()
    with pytest.raises(InputError, match=r"000001\.png: no such image"):
        JointDataset(samples, input_hw=(96, 128))[SampleKey(0, 0)]


def test_extras_take_other_samples_and_depend_on_the_key_alone(samples):
    options = AugmentOptions(mosaic=1, mixup=1, erase=0.5, blur=0.5, jpeg=0.5)
    one, other = (JointDataset(samples, input_hw=(96, 128), augment=options, seed=3) for _ in range(2))
    for sample in range(6):
        other[SampleKey(9, sample)]
    assert same(one[SampleKey(2, 4)], other[SampleKey(2, 4)])
    pictures = [one.load(SampleKey(epoch, 4)) for epoch in range(12)]
    assert set(np.concatenate([picture.identities for picture in pictures])) == {0, 1, 2}
    assert len({len(picture.identities) for picture in pictures}) > 2


def test_extras_leave_the_published_draws_as_they_are(samples):
    plain = JointDataset(samples, input_hw=(96, 128), augment=AugmentOptions(), seed=3)
    noisy = JointDataset(samples, input_hw=(96, 128), augment=AugmentOptions(blur=1, jpeg=1), seed=3)
    for epoch in range(4):
        one, other = plain.load(SampleKey(epoch, 2)), noisy.load(SampleKey(epoch, 2))
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        assert not np.array_equal(one.image, other.image)


def test_either_path_gives_the_same_targets(samples):
    fast, full = (
        JointDataset(samples, input_hw=(96, 128), augment=AugmentOptions(implementation=path), seed=3).load(
            SampleKey(1, 1)
        )
        for path in ("fast", "full")
    )
    np.testing.assert_array_equal(fast.boxes_xyxy, full.boxes_xyxy)
    np.testing.assert_array_equal(fast.classes, full.classes)
    assert np.abs(fast.image.astype(int) - full.image).mean() < 2
