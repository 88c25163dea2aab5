"""Text files that people wrote or downloaded."""

from pathlib import Path

from fairmot.utils.errors import InputError


def read_text(path: Path) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark); InputError in one line where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None
