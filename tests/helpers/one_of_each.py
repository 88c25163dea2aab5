"""A small data set in each layout, below one folder."""

import json
from pathlib import Path

import cv2
import numpy as np

from helpers.small_sequences import make_sequence, walkers

IMAGE_HW = (48, 64)


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(len(str(path))).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(values, IMAGE_HW[::-1]))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_one_of_each(tmp_path: Path) -> Path:
    """Write two images with two people each in every layout; return the folder for DATA.ROOT."""
    make_sequence(tmp_path, "MOT17/train/MOT17-02-FRCNN", walkers((1, 2), 4), frames=4)
    root = tmp_path / "data"
    boxes = [(4, 6, 12, 30), (30, 8, 12, 30)]
    fractions = [((x + w / 2) / 64, (y + h / 2) / 48, w / 64, h / 48) for x, y, w, h in boxes]
    rows = []
    for name in ("a", "b"):
        people = [{"tag": "person", "fbox": box, "vbox": box, "hbox": box, "extra": {"box_id": 0}} for box in boxes]
        rows.append(json.dumps({"ID": name, "gtboxes": [*people, {"tag": "mask", "fbox": [0, 0, 9, 9]}]}))
        for image in (f"CrowdHuman/Images/{name}.jpg", f"Caltech/images/{name}.jpg", f"yard/images/train/{name}.jpg"):
            _image(root / image)
        for image in (f"shop/images/{name}.jpg", f"frames/{name}.png"):
            _image(root / image)
        jde = "".join(f"0 {7 + k} {' '.join(map(str, fraction))}\n" for k, fraction in enumerate(fractions))
        _text(root / f"Caltech/labels_with_ids/{name}.txt", jde)
        yolo = "".join(f"0 {' '.join(map(str, fraction))}\n" for fraction in fractions)
        _text(root / f"yard/labels/train/{name}.txt", yolo)
    _text(root / "CrowdHuman/annotation_train.odgt", "\n".join(rows))
    _text(root / "caltech.train", "Caltech/images/a.jpg\nCaltech/images/b.jpg\n")
    _text(root / "yard/data.yaml", "path: .\ntrain: images/train\nval: images/train\nnames: [person]\n")
    coco = {
        "images": [{"id": k, "file_name": f"{n}.jpg", "width": 64, "height": 48} for k, n in enumerate("ab")],
        "annotations": [
            {"id": 2 * k + j, "image_id": k, "category_id": 1, "bbox": boxes[j], "iscrowd": 0}
            for k in range(2)
            for j in range(2)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    _text(root / "shop/labels.json", json.dumps(coco))
    lines = [f"{n}.png,{','.join(map(str, box))},{k}" for n in "ab" for k, box in enumerate(boxes)]
    _text(root / "frames/boxes.csv", "image,left,top,width,height,id\n" + "\n".join(lines) + "\n")
    return root
