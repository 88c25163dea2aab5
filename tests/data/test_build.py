from pathlib import Path

import numpy as np
import pytest
from helpers.locations import SHARED
from helpers.small_sequences import make_sequence, walkers

from fairmot.config.load import load_cfg
from fairmot.data.augment.affine import AugmentOptions
from fairmot.data.build import build_augment_options, build_train_dataset, build_train_loader
from fairmot.data.joint_dataset import SampleKey
from fairmot.utils.errors import InputError

HALF = SHARED / "data" / "mot17-half" / "train"


def configured(root, *overrides):
    small = ["DATA.ROOT", str(root), "INPUT.SIZE_HW", "(60, 90)", "SOLVER.BATCH_SIZE", "2", "DATA.WORKERS", "0"]
    return load_cfg(None, [*small, *overrides])


def test_loader_options_come_from_config(tmp_path):
    make_sequence(tmp_path, "S1", walkers((1, 2), 3))
    make_sequence(tmp_path, "S2", walkers((1,), 3))
    two = ["DATA.CLASSES", "('pedestrian', 'car')", "MODEL.NUM_CLASSES", "2"]
    cfg = configured(tmp_path / "data", "DATA.FRAME_LIMIT", "2", *two, "DATA.MAX_OBJECTS", "1")
    dataset = build_train_dataset(cfg)
    assert (len(dataset), dataset.identity_counts) == (4, (3, 0))
    batch = next(build_train_loader(cfg, dataset).epoch(0))
    assert batch.images_B3HW.shape == (2, 3, 64, 96)
    assert batch.heatmap_BCHW.shape == (2, 2, 16, 24)
    assert batch.mask_BK.shape == (2, 1)
    shared = build_train_loader(cfg, dataset, rank=1, world_size=2)
    assert next(shared.epoch(0)).image_paths == batch.image_paths[1:]


def test_images_per_sequence_reaches_batches(tmp_path):
    for name in ("S1", "S2", "S3"):
        make_sequence(tmp_path, name, walkers((1,), 4), frames=4)
    cfg = configured(tmp_path / "data", "DATA.IMAGES_PER_SEQUENCE", "2", "SOLVER.BATCH_SIZE", "4")
    dataset = build_train_dataset(cfg)
    names = [name for batch in build_train_loader(cfg, dataset).epoch(0) for name in batch.image_paths]
    sequences = [Path(name).parent.parent.name for name in names]
    assert len(names) == len(set(names)) == 12
    assert sequences[::2] == sequences[1::2]
    assert sequences != sorted(sequences)
    with pytest.raises(
        InputError, match=r"SOLVER\.BATCH_SIZE = 4 .*2 processes .*DATA\.IMAGES_PER_SEQUENCE = 4: take a multiple of 8"
    ):
        build_train_loader(
            configured(tmp_path / "data", "DATA.IMAGES_PER_SEQUENCE", "4", "SOLVER.BATCH_SIZE", "4"),
            dataset,
            world_size=2,
        )


def test_build_augment_options(tmp_path):
    assert build_augment_options(configured(tmp_path)) == AugmentOptions()
    assert build_augment_options(configured(tmp_path, "AUGMENT.ENABLED", "False")) is None
    overrides = ["AUGMENT.TRANSLATION_AXES", "published", "AUGMENT.OUT_OF_FRAME", "drop", "AUGMENT.SCALE", "(0.9, 1.1)"]
    options = build_augment_options(configured(tmp_path, *overrides))
    assert options == AugmentOptions(translation_axes="published", out_of_frame="drop", scale=(0.9, 1.1))


def test_missing_data_root_raises(tmp_path):
    with pytest.raises(InputError, match=r"^DATA\.ROOT: .*nowhere: no such folder$"):
        build_train_dataset(configured(tmp_path / "nowhere"))


@pytest.mark.dataset
def test_mot17_dataset_has_counts_of_files():
    if not HALF.is_dir():
        pytest.skip("MOT17's halves are not next to the repository (shared/data/mot17-half)")
    rows = [
        (folder.name, *line.split(","))
        for folder in sorted(HALF.iterdir())
        for line in (folder / "gt" / "gt.txt").read_text().splitlines()
    ]
    people = [(row[0], row[2]) for row in rows if row[7] == "1" and row[8] == "1"]
    dataset = build_train_dataset(configured(HALF))
    (index,) = dataset.samples.sources
    counts = (len(index.info.sequences), len(dataset), *dataset.identity_counts, dataset.samples.num_boxes)
    assert counts == (3, 150 + 132 + 225, len(set(people)), len(people))
    labelled = dataset.load(SampleKey(0, 200))
    assert labelled.image.shape == (64, 96, 3)
    assert np.isfinite(labelled.boxes_xyxy).all()


def test_class_count_mismatch_raises(tmp_path):
    make_sequence(tmp_path, "S", walkers((1,), 3))
    with pytest.raises(InputError, match=r"DATA\.CLASSES = \('pedestrian',\) must be MODEL\.NUM_CLASSES = 2 names"):
        build_train_dataset(configured(tmp_path / "data", "MODEL.NUM_CLASSES", "2"))
