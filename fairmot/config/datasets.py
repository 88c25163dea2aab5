"""Catalog of datasets: folder below DATA.ROOT, label layout and subset of each name.

`DATA.SETS.<name>` starts from the entry of that name, or from the defaults of `DATASET` where there is none.
"""

from typing import Any

from fairmot.config.defaults import DATASET, default_node
from fairmot.config.node import CfgNode


def _mot(folder: str, **more: Any) -> dict[str, Any]:
    return {"LAYOUT": "mot", "ROOT": folder, **more}


def _halves(name: str, folder: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {
        f"{name}_train": _mot(folder, **more),
        f"{name}_half_train": _mot(folder, SPLIT="first_half", **more),
        f"{name}_half_val": _mot(folder, SPLIT="second_half", **more),
    }


def _jde(image_list: str) -> dict[str, Any]:
    return {"LAYOUT": "jde", "ROOT": ".", "LABELS": image_list}


def _crowdhuman(part: str) -> dict[str, Any]:
    return {"LAYOUT": "crowdhuman", "ROOT": "CrowdHuman", "LABELS": f"annotation_{part}.odgt"}


def _coco(part: str) -> dict[str, Any]:
    labels = f"annotations/instances_{part}2017.json"
    return {"LAYOUT": "coco", "ROOT": "coco", "LABELS": labels, "IMAGES": f"{part}2017"}


DATASETS: dict[str, dict[str, Any]] = {
    **_halves("mot15", "MOT15/train"),
    **_halves("mot16", "MOT16/train"),
    **_halves("mot17", "MOT17/train"),
    **_halves("mot20", "MOT20/train", CLIP=True),  # its boxes extend far beyond the image
    "dancetrack_train": _mot("dancetrack/train"),
    "dancetrack_val": _mot("dancetrack/val"),
    "sportsmot_train": _mot("sportsmot_publish/dataset/train"),
    "sportsmot_val": _mot("sportsmot_publish/dataset/val"),
    "crowdhuman_train": _crowdhuman("train"),
    "crowdhuman_val": _crowdhuman("val"),
    "coco_train": _coco("train"),
    "coco_val": _coco("val"),
    "caltech_train": _jde("caltech.train"),
    "caltech_all": _jde("caltech.all"),
    "citypersons_train": _jde("citypersons.train"),
    "citypersons_val": _jde("citypersons.val"),
    "cuhksysu_train": _jde("cuhksysu.train"),
    "cuhksysu_val": _jde("cuhksysu.val"),
    "prw_train": _jde("prw.train"),
    "prw_val": _jde("prw.val"),
    "ethz_train": _jde("eth.train"),
}


def dataset_node(name: str = "") -> CfgNode:
    """Return the keys of the dataset `name` with their values; the defaults where the name is unknown."""
    return CfgNode({**default_node(DATASET), "ROOT": name, **DATASETS.get(name, {})})
