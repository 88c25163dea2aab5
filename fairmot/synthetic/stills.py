"""Rendered worlds as still images in CrowdHuman's layout: full and visible boxes, no identities."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fairmot.formats.atomic import check_writable
from fairmot.formats.crowdhuman import MASK, PERSON, OdgtRow, make_record, write_odgt
from fairmot.geometry.arrays import IntArray
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.render import RenderedFrame, Renderer
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, build_world
from fairmot.synthetic.write import appearing, write_image
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map

ANNOTATION, IMAGES = "annotation_train.odgt", "Images"
OURS = "SYN-*.jpg"  # what an image folder may hold that is rendered again

Record = dict[str, Any]


def write_stills(
    plans: Iterable[WorldOptions], root: Path, *, overwrite: bool = False, processes: int = 0
) -> Iterator[list[Record]]:
    """Render worlds to `root/Images`, and at the end `root/annotation_train.odgt`; yield each world's records.

    The images get their folder, and then the annotation its name, when all are complete.
    Raises InputError when one of them exists and `overwrite` is False, or `root/Images` holds images of others.
    """
    require_no_stills(root, overwrite=overwrite)
    records: list[Record] = []
    different = list(dict.fromkeys(plans))  # seeds of a thousand worlds may be equal once
    with appearing(root / IMAGES) as images:
        for some in parallel_map(partial(_write_world, images=images), different, processes=processes):
            records += some
            yield some
        (root / ANNOTATION).unlink(missing_ok=True)  # there is none while its images are exchanged
    write_odgt(root / ANNOTATION, records)


def require_no_stills(root: Path, *, overwrite: bool) -> None:
    """Raise InputError where `root` cannot be written, holds stills that may not be overwritten, or others' images."""
    annotation, images = root / ANNOTATION, root / IMAGES
    check_writable(annotation)
    there = [place for place in (annotation, images) if place.exists()]
    if there and not overwrite:
        raise InputError(f"{there[0]}: exists already; --overwrite renders it again")
    if annotation.exists() and not images.exists():
        raise InputError(f"{annotation}: not beside images that were rendered; choose another folder")
    if images.exists() and not (images.is_dir() and all(path.match(OURS) for path in images.iterdir())):
        raise InputError(f"{images}: holds other files than {OURS}; choose another folder")


def describe_frame(frame: RenderedFrame, image_id: str) -> Record:
    """Return CrowdHuman's record of a frame: everybody of whom a pixel is seen.

    Bystanders and cyclists, whom MOTChallenge ignores, are persons to be ignored; statues and mannequins are masks.
    """
    truth = frame.truth
    seen = np.flatnonzero(np.isin(truth.ids, frame.instances))
    rows = [
        OdgtRow(
            tag=MASK if truth.classes[row] == DISTRACTOR else PERSON,
            full_tlwh=truth.boxes_tlwh[row].tolist(),
            visible_tlwh=box_of(frame.instances, int(truth.ids[row])),
            is_occluded=bool(truth.visibilities[row] < 1),
            is_ignored=bool(truth.classes[row] != PEDESTRIAN),
        )
        for row in seen
    ]
    return make_record(image_id, rows)


def box_of(instances: IntArray, identity: int) -> tuple[int, int, int, int]:
    """Return left, top, width, height of the pixels of an identity, of which there is at least one.

    >>> box_of(np.array([[0, 0, 0], [0, 7, 7]]), 7)
    (1, 1, 2, 1)
    """
    rows, columns = np.nonzero(instances == identity)
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def count_rows(records: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many rows train, and how many do not."""
    rows = [row["extra"]["ignore"] for record in records for row in record["gtboxes"]]
    return rows.count(0), rows.count(1)


def _write_world(options: WorldOptions, images: Path) -> list[Record]:
    records = []
    for number, frame in enumerate(Renderer(build_world(options)).frames(), 1):
        image_id = f"{options.name}-{number:06d}"
        write_image(images / f"{image_id}.jpg", frame.image)
        records.append(describe_frame(frame, image_id))
    return records
