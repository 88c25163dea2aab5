"""A rendered world as a MOTChallenge sequence on disk."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    world: SyntheticWorld, root: Path, *, overwrite: bool = False, progress: Callable[[], object] | None = None
) -> BoxTable:
    """Render `world` to `root/<name>` (img1, gt/gt.txt, seqinfo.ini) and return its truth.

    The folder appears only when it is complete. `progress` is called after each frame. Raises InputError when it
    exists and `overwrite` is False.
    """
    target = root / world.options.name
    require_free(target, overwrite=overwrite)
    with appearing(target) as temporary:
        return _write_into(temporary, world, progress)


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`; it takes the place of what is there when the block succeeds."""
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


def require_free(target: Path, *, overwrite: bool) -> None:
    """Raise InputError when the folder `target` holds something already and may not be overwritten."""
    if target.exists() and not overwrite and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists already; --overwrite renders it again")


def _write_into(folder: Path, world: SyntheticWorld, progress: Callable[[], object] | None) -> BoxTable:
    options = world.options
    images = folder / "img1"
    images.mkdir(parents=True)
    tables = []
    for number, frame in enumerate(Renderer(world).frames(), 1):
        write_image(images / f"{number:06d}.jpg", frame.image)
        tables.append(frame.truth)
        if progress is not None:
            progress()
    truth = join_tables(tables)
    write_ground_truth(folder / "gt" / "gt.txt", truth)
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
