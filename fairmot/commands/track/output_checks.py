"""Checks of output paths: unique names, inside the output folder, never an input file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairmot.commands.track.camera_motion import camera_motion_path
from fairmot.commands.track.options import TrackOptions
from fairmot.commands.track.public_detections import find_public_file
from fairmot.formats.motchallenge import is_sequence, sequence_name
from fairmot.formats.text_io import require_different_file
from fairmot.utils.errors import InputError


def require_unique_names(sources: Sequence[str]) -> None:
    """Raise InputError if two of several sequences have the same name; sources: of `find_sources`."""
    if len(sources) < 2:
        return
    taken: dict[str, str] = {}
    for source in sources:
        name = sequence_name(Path(source))
        require_plain_name(name, source)
        if name in taken:
            raise InputError(f"{source}: named {name!r} like {taken[name]}; they would write the same files")
        taken[name] = source


def require_plain_name(name: str, source: str) -> None:
    """Raise InputError for a sequence name that is no file name, so that files would be outside the output folder."""
    if not name or "/" in name or "\0" in name:
        raise InputError(f"{source}: the name {name!r} in seqinfo.ini is no plain file name")


def require_inputs_kept(cfg: Any, written: Iterable[Path], *, options: TrackOptions, source: str, name: str) -> None:
    """Raise InputError if an output path is an input: video, image, public detections or camera motion.

    source: as opened; name: of the sequence.
    """
    read = [] if source.isdecimal() or "://" in source else [Path(source)]
    sequence = next(filter(is_sequence, read), None)
    image_dirs = [sequence / "img1"] if sequence else read
    if options.public_detections is not None:
        read = [*read, find_public_file(options.public_detections, sequence, name)]
    if (camera_path := camera_motion_path(cfg, name)) is not None:
        read = [*read, camera_path]
    for path in written:
        images = [folder / path.name for folder in image_dirs] if path.suffix == ".png" else []
        for file in (*read, *images):
            require_different_file(path, file)
