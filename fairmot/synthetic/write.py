"""A rendered world as a MOTChallenge sequence on disk."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fairmot.formats.motchallenge import write_sequence_info, write_truth
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.world import World
from fairmot.utils.errors import InputError

JPEG_QUALITY = 92


def write_sequence(
    world: World, root: Path, *, overwrite: bool = False, progress: Callable[[], object] | None = None
) -> BoxTable:
    """Render `world` to `root/<name>` (img1, gt/gt.txt, seqinfo.ini) and return its truth.

    The folder appears only when it is complete. `progress` is called after each frame. Raises InputError when it
    exists and `overwrite` is False.
    """
    options = world.options
    target = root / options.name
    require_free(target, overwrite=overwrite)
    temporary = root / f".{options.name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        truth = _write_into(temporary, world, progress)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return truth


def require_free(target: Path, *, overwrite: bool) -> None:
    """Raise InputError when the folder `target` holds something already and may not be overwritten."""
    if target.exists() and not overwrite and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists already; --overwrite renders it again")


def _write_into(folder: Path, world: World, progress: Callable[[], object] | None) -> BoxTable:
    options = world.options
    images = folder / "img1"
    images.mkdir(parents=True)
    tables = []
    for number, frame in enumerate(Renderer(world).frames(), 1):
        done, encoded = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise RuntimeError(f"frame {number}: OpenCV could not encode a JPEG")
        (images / f"{number:06d}.jpg").write_bytes(encoded.tobytes())
        tables.append(frame.truth)
        if progress is not None:
            progress()
    truth = join_tables(tables)
    write_truth(folder / "gt" / "gt.txt", truth)
    write_sequence_info(SequenceInfo(options.name, folder, options.frame_rate, options.frames, options.size_hw))
    return truth


def join_tables(tables: list[BoxTable]) -> BoxTable:
    """One table of the rows of all, in order."""
    return BoxTable(
        frames=np.concatenate([table.frames for table in tables]),
        ids=np.concatenate([table.ids for table in tables]),
        boxes_tlwh=np.concatenate([table.boxes_tlwh for table in tables]),
        confidences=np.concatenate([table.confidences for table in tables]),
        classes=np.concatenate([table.classes for table in tables]),
        visibilities=np.concatenate([table.visibilities for table in tables]),
    )
