"""Tests of training on data sets of all layouts together."""

import numpy as np
import pytest
import torch
from helpers.one_of_each import make_one_of_each
from helpers.small_sequences import make_sequence, walkers

from fairmot.codec.render_heatmap import complete_heatmap
from fairmot.config.load import load_cfg
from fairmot.data.build import build_train_dataset, build_train_loader, build_val_spans
from fairmot.data.joint_dataset import SampleKey
from fairmot.data.samples import find_common_image
from fairmot.utils.errors import InputError

ALL = ("mot17_half_train", "crowdhuman_train", "caltech_train", "yard", "shop", "frames")


def configured(root, entries=ALL, *overrides):
    fixed = ["DATA.ROOT", str(root), "DATA.TRAIN", str(tuple(entries)), "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "4"]
    return load_cfg(None, [*fixed, "INPUT.SIZE_HW", "(96, 128)", "AUGMENT.ENABLED", "False", *overrides])


@pytest.fixture
def root(tmp_path):
    return make_one_of_each(tmp_path)


def test_dataset_mixes_all_layouts(root):
    cfg = configured(root, ALL, "DATA.SETS.crowdhuman_train.IDENTITY", "box")
    dataset = build_train_dataset(cfg)
    sources = {index.info.name: index for index in dataset.samples.sources}
    assert {name: (len(index), index.num_boxes) for name, index in sources.items()} == dict.fromkeys(ALL, (2, 4))
    counts = {name: index.info.identity_counts[0] for name, index in sources.items()}
    assert counts == dict(zip(ALL, (2, 4, 2, 0, 0, 2), strict=True))  # YOLO's and COCO's boxes here have no identity
    assert dataset.identity_counts == (10,)
    identities = [dataset.samples[index].identities.tolist() for index in range(12)]
    assert identities[0] == identities[1] == [0, 1]
    assert identities[2:4] == [[2, 3], [4, 5]]
    assert identities[4] == identities[5] == [6, 7]
    assert identities[6:10] == [[-1, -1]] * 4
    assert identities[10] == identities[11] == [8, 9]


def test_all_layouts_give_equal_boxes(root):
    """The two people have the same boxes in five of the sets, in fractions or in pixels."""
    dataset = build_train_dataset(configured(root))
    expected = [[8, 12, 32, 72], [60, 16, 84, 76]]  # at twice the size
    for index in range(2, 12):
        np.testing.assert_allclose(dataset.load(SampleKey(0, index)).boxes_xyxy, expected, atol=1e-4)


def test_batches_mix_sets(root):
    cfg = configured(root, ALL, "SOLVER.BATCH_SIZE", "12")
    batch = next(build_train_loader(cfg, build_train_dataset(cfg)).epoch(0))
    assert batch.mask_BK.sum() == 24
    assert (batch.identities_BK[batch.mask_BK] < 0).sum() == 12  # unlabelled boxes train detection only


def test_layout_of_folder_is_detected(root):
    dataset = build_train_dataset(configured(root, ("MOT17/train", "CrowdHuman", "yard", "shop/labels.json", "frames")))
    assert [len(index) for index in dataset.samples.sources] == [4, 2, 2, 2, 2]


def test_train_and_validation_halves_are_disjoint(root):
    cfg = configured(root, ("mot17_half_train",), "DATA.VAL", "mot17_half_val")
    (train,) = build_train_dataset(cfg).samples.sources
    (span,) = build_val_spans(cfg)
    assert train.arrays.frames.tolist() == [1, 2]
    assert list(span.split.range_of(4)) == [2, 3]
    (other,) = build_train_dataset(configured(root, ("mot17_half_val",))).samples.sources
    assert find_common_image(train, other) is None
    assert build_train_dataset(configured(root, ("mot17_half_train", "mot17_half_val"))).identity_counts == (4,)


@pytest.mark.parametrize("pair", [("mot17_half_train", "mot17_train"), ("shop", "shop/labels.json"), ("yard", "yard")])
def test_image_in_two_sets_raises(root, pair):
    with pytest.raises(InputError, match=rf"DATA\.TRAIN: .* is in both '{pair[0]}' and '{pair[1]}'"):
        build_train_dataset(configured(root, pair))


def test_common_image_behind_symlink_is_found(root):
    (root / "again").symlink_to(root / "shop", target_is_directory=True)
    with pytest.raises(InputError, match=r"is in both 'shop' and 'again'"):
        build_train_dataset(configured(root, ("shop", "again")))


def test_clipped_boxes_are_inside_image(tmp_path):
    rows = [(1, 1, -10, 10, 30, 20, 1, 1, 1), (1, 2, 200, 10, 30, 20, 1, 1, 1)]
    make_sequence(tmp_path, "MOT20/train/MOT20-01", rows)
    options = ["DATA.ROOT", str(tmp_path / "data"), "DATA.TRAIN", "mot20_train", "DATA.WORKERS", "0"]
    loaded = [
        build_train_dataset(load_cfg(None, [*options, "INPUT.SIZE_HW", "(48, 64)", "AUGMENT.ENABLED", "False", *more]))
        for more in ([], ["DATA.SETS.mot20_train.CLIP", "False"])
    ]
    clipped, unclipped = (dataset.load(SampleKey(0, 0)) for dataset in loaded)
    np.testing.assert_allclose(clipped.boxes_xyxy, [[0, 18, 20, 38]])  # 8 rows of grey above
    assert len(unclipped.boxes_xyxy) == 2


def test_yolo_names_with_spaces_and_unicode(tmp_path):
    make_sequence(tmp_path, "Straße 7/søndag äöü 日本", walkers((1,), 3))
    dataset = build_train_dataset(configured(tmp_path / "data", ("Straße 7",)))
    assert dataset.load(SampleKey(0, 0)).image.shape == (96, 128, 3)


def test_read_only_data_root_loads(root, tmp_path):
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    try:
        assert len(build_train_dataset(configured(root))) == 12
    finally:
        for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
    assert not list(root.rglob("*.npy"))


def test_an_image_with_a_hundred_thousand_boxes(tmp_path):
    rows = [(1, person, person % 50, 5, 10, 20, 1, 1, 1) for person in range(100_000)]
    make_sequence(tmp_path, "S", rows)
    dataset = build_train_dataset(configured(tmp_path / "data", (".",)))
    assert dataset.identity_counts == (100_000,)
    assert len(dataset[SampleKey(0, 0)].targets.indices) == 500


@pytest.mark.parametrize(
    ("limit", "broken", "reports"),
    [(2, (1, 2), 2), (1, (1, 2), None), (0, (3,), None)],
    ids=["within the limit", "one too many", "none allowed"],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_reported_and_skipped_up_to_limit(tmp_path, limit, broken, reports, workers):
    folder = make_sequence(tmp_path, "S", walkers((1,), 8), frames=8)
    for frame in broken:
        (folder / "img1" / f"{frame:06d}.png").write_bytes(b"no image")
    cfg = configured(tmp_path / "data", (".",), "DATA.MAX_BAD_IMAGES", str(limit), "DATA.WORKERS", str(workers))
    reported: list[str] = []
    loader = build_train_loader(cfg, build_train_dataset(cfg), report=reported.append)
    try:
        if reports is None:
            with pytest.raises(InputError, match=r"0000\d\d\.png: .*"):
                [batch for epoch in range(2) for batch in loader.epoch(epoch)]
            return
        batches = [batch for epoch in range(3) for batch in loader.epoch(epoch)]
    finally:
        loader.close()
    assert len(batches) == 6
    assert len(reported) == reports
    assert all("skipped" in line for line in reported)
    names = {name for batch in batches for name in batch.image_paths}
    assert not any(f"{frame:06d}" in name for name in names for frame in broken)


def test_device_heatmaps_equal_host_heatmaps(root):
    host, device = (
        next(build_train_loader(cfg, build_train_dataset(cfg)).epoch(0))
        for cfg in (configured(root, ALL, "DATA.TARGETS", where) for where in ("host", "device"))
    )
    assert device.heatmap_BCHW.shape == (4, 1, 0, 0)
    torch.testing.assert_close(complete_heatmap(device).heatmap_BCHW, host.heatmap_BCHW)
