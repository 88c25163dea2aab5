"""Writer of a rendered world as a MOTChallenge sequence."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fairmot.formats.motchallenge import write_ground_truth, write_sequence_info
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.world import SyntheticWorld
from fairmot.utils.errors import InputError

JPEG_QUALITY = 92


def write_sequence(
    world: SyntheticWorld, root: Path, *, overwrite: bool = False, progress: Callable[[], object] = lambda: None
) -> BoxTable:
    """Render `world` to `root/<name>` (img1, gt/gt.txt, seqinfo.ini) and return its ground truth.

    The folder is written atomically; `progress` is called after each frame. Raises InputError if the folder is not
    empty and `overwrite` is False.
    """
    options, tables = world.options, []
    target = root / options.name
    require_new_folder(target, overwrite=overwrite)
    with atomic_folder(target) as folder:
        (folder / "img1").mkdir()
        for number, frame in enumerate(Renderer(world).frames(), 1):
            write_image(folder / "img1" / f"{number:06d}.jpg", frame.image)
            tables.append(frame.ground_truth)
            progress()
        ground_truth = concatenate_tables(tables)
        write_ground_truth(folder / "gt" / "gt.txt", ground_truth)
        write_sequence_info(SequenceInfo(options.name, folder, options.frame_rate, options.frames, options.size_hw))
    return ground_truth


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `target` when the block succeeds."""
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_image(path: Path, image: ImageArray) -> None:
    """Write a BGR image as a JPEG of JPEG_QUALITY."""
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise RuntimeError(f"{path.name}: OpenCV could not encode a JPEG")
    path.write_bytes(encoded.tobytes())


def require_new_folder(target: Path, *, overwrite: bool) -> None:
    """Raise InputError if `target` exists, is not an empty folder and may not be overwritten."""
    if target.exists() and not overwrite and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists already; --overwrite renders it again")


def concatenate_tables(tables: list[BoxTable]) -> BoxTable:
    """Return one table with the rows of all, in order."""
    names = ("frames", "ids", "boxes_tlwh", "confidences", "classes", "visibilities")
    columns: list[Any] = [np.concatenate([getattr(table, name) for table in tables]) for name in names]
    return BoxTable(*columns)
