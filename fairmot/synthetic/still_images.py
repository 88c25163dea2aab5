"""Writer of rendered worlds as still images in CrowdHuman's layout: full and visible boxes, no identities."""

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
from fairmot.synthetic.write import atomic_folder, write_image
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map

ANNOTATION, IMAGES = "annotation_train.odgt", "Images"
IMAGE_PATTERN = "SYN-*.jpg"  # the only files in an image folder that may be overwritten

Record = dict[str, Any]


def write_still_images(
    plans: Iterable[WorldOptions], root: Path, *, overwrite: bool = False, processes: int = 0
) -> Iterator[list[Record]]:
    """Render worlds to `root/Images` and `root/annotation_train.odgt`; yield each world's records.

    Equal options are rendered once. Images and annotation are written when all are complete.
    Raises InputError as `require_new_still_images` does.
    """
    require_new_still_images(root, overwrite=overwrite)
    records: list[Record] = []
    with atomic_folder(root / IMAGES) as images:
        write_world = partial(_write_world, images=images)
        for world_records in parallel_map(write_world, list(dict.fromkeys(plans)), processes=processes):
            records += world_records
            yield world_records
        (root / ANNOTATION).unlink(missing_ok=True)  # no annotation while its images are replaced
    write_odgt(root / ANNOTATION, records)


def require_new_still_images(root: Path, *, overwrite: bool) -> None:
    """Raise InputError where `root` cannot be written, or has files that may not be overwritten."""
    annotation, images = root / ANNOTATION, root / IMAGES
    check_writable(annotation)
    existing = [path for path in (annotation, images) if path.exists()]
    if existing and not overwrite:
        raise InputError(f"{existing[0]}: exists already; --overwrite renders it again")
    if annotation.exists() and not images.exists():
        raise InputError(f"{annotation}: there are no rendered images next to it; choose another folder")
    if images.exists() and not (images.is_dir() and all(path.match(IMAGE_PATTERN) for path in images.iterdir())):
        raise InputError(f"{images}: has other files than {IMAGE_PATTERN}; choose another folder")


def make_odgt_record(frame: RenderedFrame, image_id: str) -> Record:
    """Return CrowdHuman's record of a frame with all actors that have a visible pixel.

    Bystanders and cyclists are ignored persons, as in MOTChallenge; statues are masks.
    """
    table = frame.ground_truth[np.isin(frame.ground_truth.ids, frame.instances)]
    rows = [
        OdgtRow(
            tag=MASK if table.classes[row] == DISTRACTOR else PERSON,
            full_tlwh=table.boxes_tlwh[row].tolist(),
            visible_tlwh=visible_box(frame.instances, int(table.ids[row])),
            is_occluded=bool(table.visibilities[row] < 1),
            is_ignored=bool(table.classes[row] != PEDESTRIAN),
        )
        for row in range(len(table))
    ]
    return make_record(image_id, rows)


def visible_box(instances: IntArray, identity: int) -> tuple[int, int, int, int]:
    """Return left, top, width, height of the pixels of an identity; it must have at least one.

    >>> visible_box(np.array([[0, 0, 0], [0, 7, 7]]), 7)
    (1, 1, 2, 1)
    """
    rows, columns = np.nonzero(instances == identity)
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def count_rows(records: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the numbers of rows with ignore flag 0 and 1."""
    flags = [row["extra"]["ignore"] for record in records for row in record["gtboxes"]]
    return flags.count(0), flags.count(1)


def _write_world(options: WorldOptions, images: Path) -> list[Record]:
    records = []
    for number, frame in enumerate(Renderer(build_world(options)).frames(), 1):
        image_id = f"{options.name}-{number:06d}"
        write_image(images / f"{image_id}.jpg", frame.image)
        records.append(make_odgt_record(frame, image_id))
    return records
