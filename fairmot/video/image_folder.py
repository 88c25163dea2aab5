"""Frames of a MOTChallenge sequence or an image folder."""

from collections.abc import Iterator
from pathlib import Path

from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import IMAGE_EXTENSIONS, is_sequence, list_images, read_sequence_info
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.reader import DEFAULT_FRAME_RATE


class ImageFolderReader:
    """Reads the images of one folder in the order of their names, however many seqinfo.ini states.

    folder: a MOTChallenge sequence or a folder of images.
    indices: range of images to read, from 0; None for all. The frames are numbered from 1.

    name: the sequence's or folder's. frame_rate: seqinfo.ini's, else 30; frame times follow from it.

    Raises InputError for a folder without images, or without any in `indices`; while iterating, for an image that
    cannot be decoded.
    """

    live = False

    def __init__(self, folder: Path, indices: range | None = None) -> None:
        info = read_sequence_info(folder) if (folder / "seqinfo.ini").exists() else None
        self._image_dir = folder / (info.image_dir if info else "img1" if is_sequence(folder) else "")
        paths = list_images(self._image_dir)
        if not paths:
            raise InputError(f"{self._image_dir}: no images ({', '.join(IMAGE_EXTENSIONS)})")
        self._paths = paths if indices is None else paths[indices.start : indices.stop]
        if not self._paths:
            start = indices.start + 1 if indices else 1
            raise InputError(f"{self._image_dir}: {len(paths)} images, none from image {start} on")
        self._count, self._stated = len(paths), info.length if info else len(paths)
        self.name = info.name if info else folder.resolve().name
        self.frame_rate = info.frame_rate if info and info.frame_rate > 0 else DEFAULT_FRAME_RATE
        self.length: int | None = len(self._paths)
        first = read_image(self._paths[0])
        self.image_hw = first.shape[0], first.shape[1]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        for index, path in enumerate(self._paths, 1):
            yield Frame(index, read_image(path), str(path), (index - 1) / self.frame_rate)

    def notes(self) -> list[str]:
        """Return a clause if seqinfo.ini states another number of images."""
        if self._stated == self._count:
            return []
        return [f"{self._count} images in {self._image_dir}; seqinfo.ini states {self._stated}"]

    def stop(self) -> None:
        """Do nothing: reading does not wait."""

    def close(self) -> None:
        """Do nothing: no file is kept open."""
