"""What a run may write: never two sequences one file, nothing outside its folder, nothing over its own input."""

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
    """Raise InputError before anything is tracked, where two of several sequences are called the same.

    sources: what `find_sources` returned: one source of any kind, or folders of sequences.
    """
    if len(sources) < 2:
        return
    taken: dict[str, str] = {}
    for source in sources:
        name = sequence_name(Path(source))
        require_plain_name(name, source)
        if name in taken:
            raise InputError(f"{source}: called {name!r}, as {taken[name]} is: they would write the same files")
        taken[name] = source


def require_plain_name(name: str, source: str) -> None:
    """Raise InputError for a sequence whose files would not lie in the output folder, by its name."""
    if not name or "/" in name or "\0" in name:
        raise InputError(f"{source}: called {name!r} (seqinfo.ini), which is no plain file name to write results under")


def require_inputs_kept(cfg: Any, written: Iterable[Path], *, options: TrackOptions, source: str, name: str) -> None:
    """Raise InputError where a file to be written is one that is read: film, image, public detections, camera motion.

    source: what was opened; name: what it is called.
    """
    read = [] if source.isdecimal() or "://" in source else [Path(source)]
    sequence = next(filter(is_sequence, read), None)
    folders = [sequence / "img1"] if sequence else read
    if options.public_detections is not None:
        read = [*read, find_public_file(options.public_detections, sequence, name)]
    if (camera := camera_motion_path(cfg, name)) is not None:
        read = [*read, camera]
    for path in written:
        pictures = [folder / path.name for folder in folders] if path.suffix == ".png" else []
        for file in (*read, *pictures):
            require_different_file(path, file)
