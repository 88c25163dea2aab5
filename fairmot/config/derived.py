"""What several parts read from the MODEL section about embeddings."""

from typing import Any


def embedding_lengths(cfg: Any) -> tuple[int, ...]:
    """Return the lengths that are trained as embeddings, longest first: of the whole one and of its nested prefixes.

    The whole is as long as the longest of MODEL.REID_DIM and MODEL.REID_NESTED; without REID_NESTED that is REID_DIM.

    >>> from fairmot.config.load import load_cfg
    >>> embedding_lengths(load_cfg(None, ["MODEL.REID_NESTED", "(16, 128)"]))
    (128, 64, 16)
    """
    return tuple(sorted({cfg.MODEL.REID_DIM, *cfg.MODEL.REID_NESTED}, reverse=True))
