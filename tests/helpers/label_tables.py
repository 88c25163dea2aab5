"""Random annotations."""

import numpy as np
from hypothesis import strategies as st

from fairmot.structures.annotations import Annotations

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=' ,;"'), min_size=1)


def _word(text: str) -> bool:
    return text == text.strip() and not text.startswith("/") and "\\" not in text


@st.composite
def label_tables(draw: st.DrawFn) -> Annotations:
    images = draw(st.lists(NAMES.filter(_word), min_size=1, max_size=5, unique=True))
    boxes = draw(st.lists(st.tuples(*[st.floats(-1e5, 1e5, width=32)] * 4), max_size=8))
    count, has_sequences = len(boxes), draw(st.booleans())
    names = draw(st.lists(NAMES.filter(_word), min_size=1, max_size=3, unique=True))

    def numbers(low: int, high: int, size: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(low, high), min_size=size, max_size=size)), dtype=np.int64)

    sequence_of = np.sort(numbers(0, 1, len(images))) * has_sequences
    sequence_of -= sequence_of[0]
    used = int(sequence_of[-1]) + 1
    classes, place_of_name = numbers(0, len(names) - 1, count), []
    for kind in classes.tolist():
        place_of_name += [] if kind in place_of_name else [kind]
    return Annotations(
        images=tuple(images),
        sequences=("left, 1", "right 2")[:used] if has_sequences else ("",),
        sequence_of=sequence_of,
        frames=np.arange(1, len(images) + 1) if has_sequences else np.zeros(len(images), dtype=np.int64),
        counts=np.bincount(numbers(0, len(images) - 1, count), minlength=len(images)),
        boxes_tlwh=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        ids=numbers(-1, 2**40, count),
        classes=np.array([place_of_name.index(kind) for kind in classes.tolist()], dtype=np.int64),
        class_names=tuple(names[kind] for kind in place_of_name) or ("person",),
        label_files=("written",),
        lines=np.zeros(count, dtype=np.int64),
    )


def require_equal(read: Annotations, written: Annotations) -> None:
    for name in ("images", "sequences", "class_names"):
        assert getattr(read, name) == getattr(written, name), name
    for name in ("sequence_of", "frames", "image_of", "ids", "classes"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)
    np.testing.assert_allclose(read.boxes_tlwh, written.boxes_tlwh, rtol=1e-6)
