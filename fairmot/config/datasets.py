"""Data sets by name: where each lies below DATA.ROOT, in which layout, and which part of it a name means.

`DATA.SETS.<name>` starts from what stands here, so a key there changes one thing; a new name starts from the defaults.
"""

from typing import Any

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


DATA_SETS: dict[str, dict[str, Any]] = {
    **_halves("mot15", "MOT15/train"),
    **_halves("mot16", "MOT16/train"),
    **_halves("mot17", "MOT17/train"),
    **_halves("mot20", "MOT20/train", CLIP=True),  # its boxes reach far outside the image
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


def data_set_node(name: str = "") -> CfgNode:
    """Return the keys of the data set called `name`, with their values; those of a new one where it is unknown."""
    defaults = {
        "LAYOUT": "auto",  # auto | mot | crowdhuman | jde | coco | yolo | csv
        "ROOT": name,  # its folder or annotation file, relative to DATA.ROOT
        "LABELS": "",  # annotation file or list, relative to ROOT; "" = the layout's own place
        "IMAGES": "",  # image folder, relative to ROOT; "" = the layout's own place
        "SPLIT": "whole",  # whole | first_half | second_half, of each sequence
        "HALF": "published",  # frames of the first half: published int(n / 2) | centertrack n // 2 + 1
        "SEQUENCES": (),  # names or patterns (MOT17-0[24]*) of the sequences to take; () = all
        "FRAMES": (0, 0),  # first and last frame of each sequence, counted from 1; 0 = open
        "BOX": "full",  # CrowdHuman: full | visible | head
        "IDENTITY": "labels",  # labels | box (each box its own identity, for still images) | none (detection only)
        "CLIP": False,  # cut boxes at the image's border
        "DETECTOR": "auto",  # which copy of a MOT17 sequence: auto | DPM | FRCNN | SDP
    }
    return CfgNode({**defaults, **DATA_SETS.get(name, {})})
