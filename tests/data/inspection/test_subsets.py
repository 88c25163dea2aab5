import shutil
from pathlib import Path

import pytest
from helpers.one_of_each import make_one_of_each

from fairmot.data.index.builder import Selection
from fairmot.data.index.cache import DatasetSpec
from fairmot.data.inspection.subsets import Subset, subsets_of
from fairmot.data.readers.base import Source


def subsets(layout: str, root: Path) -> list[Subset]:
    return subsets_of(DatasetSpec(layout, Source(root), Selection(("pedestrian",), (1,))))


@pytest.mark.parametrize(
    ("layout", "folder", "file", "second"),
    [
        ("crowdhuman", "CrowdHuman", "annotation_train.odgt", "annotation_val.odgt"),
        ("jde", ".", "caltech.train", "caltech.val"),
        ("coco", "shop", "labels.json", "labels_val2017.json"),
        ("csv", "frames", "boxes.csv", "test.csv"),
    ],
)
def test_several_annotation_files_are_subsets(tmp_path: Path, layout: str, folder: str, file: str, second: str) -> None:
    root = make_one_of_each(tmp_path) / folder
    assert subsets(layout, root) == [Subset("", is_val=False)]
    shutil.copy(root / file, root / second)
    assert subsets(layout, root) == [Subset(file, is_val=False), Subset(second, is_val=True)]
    assert subsets(layout, root / file) == [Subset("", is_val=False)]


def test_val_of_a_yaml_is_a_subset(tmp_path: Path) -> None:
    root = make_one_of_each(tmp_path) / "yard"
    assert subsets("yolo", root) == [Subset("", is_val=False), Subset("val", is_val=True)]
    (root / "data.yaml").write_text("train: images/train\nnames: [person]\n")
    assert subsets("yolo", root) == [Subset("", is_val=False)]
