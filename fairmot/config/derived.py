"""Values derived from several configuration keys."""

from typing import Any


def embedding_lengths(cfg: Any) -> tuple[int, ...]:
    """Return the trained embedding dimensions, largest first: that of the full embedding and those of its prefixes.

    The full embedding has the largest of MODEL.REID_DIM and MODEL.REID_NESTED.

    >>> from fairmot.config.load import load_cfg
    >>> embedding_lengths(load_cfg(None, ["MODEL.REID_NESTED", "(16, 128)"]))
    (128, 64, 16)
    """
    return tuple(sorted({cfg.MODEL.REID_DIM, *cfg.MODEL.REID_NESTED}, reverse=True))
