import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.raw_labels import Row, make_raw, walk

from fairmot.data.index.builder import Selection, build_index
from fairmot.data.index.label_index import LabelIndex
from fairmot.data.index.splits import Split
from fairmot.data.inspection.findings import ERROR, WARNING, Check
from fairmot.data.inspection.index_checks import check_index, check_leak


def index_of(rows: list[Row], *, images: int = 20, identity: str = "labels", name: str = "set", **more) -> LabelIndex:
    selection = Selection(("pedestrian",), (1,), identity=identity, split=more.pop("split", Split()))
    labels = make_raw(rows, images=images, **more).labels
    return build_index([labels], selection, name=name, image_root="/data", is_normalised=False)


def checks_of(index: LabelIndex) -> list[tuple[str, str]]:
    return [(finding.severity, finding.check) for finding in check_index(index)]


def test_valid_index_has_no_finding() -> None:
    assert checks_of(index_of(walk(3, 20))) == []
    assert checks_of(index_of(walk(3, 4), images=4)) == []  # short tracks without explosion


@pytest.mark.parametrize("frames", [None, [0] * 20])
def test_identity_explosion_is_an_error(frames: list[int] | None) -> None:
    assert checks_of(index_of(walk(3, 20, has_explosion=True), frames=frames)) == [(ERROR, Check.IDENTITY_EXPLOSION)]


def test_identity_box_is_no_explosion() -> None:
    assert checks_of(index_of(walk(3, 20), identity="box")) == []
    unknown = [(image, -1, *box) for image, _, *box in walk(3, 20)]
    assert checks_of(index_of(unknown, identity="box")) == []
    assert checks_of(index_of(unknown)) == [(WARNING, Check.NO_IDENTITIES)]


def test_no_boxes_is_an_error() -> None:
    assert checks_of(index_of([])) == [(ERROR, Check.NO_BOXES)]


def test_leak_between_halves_and_full_set() -> None:
    first, second = (index_of(walk(3, 20), name=part, split=Split(part)) for part in ("first_half", "second_half"))
    full = index_of(walk(3, 20), name="full")
    assert check_leak([first], [second]) == ()
    (finding,) = check_leak([first], [second, full])
    assert (finding.severity, finding.check) == (ERROR, Check.LEAK)
    assert "first_half" in finding.message


@pytest.mark.slow
def test_ten_million_boxes_take_less_than_a_second() -> None:
    index = index_of(walk(3, 20))
    boxes = 10**7
    arrays = replace(
        index.arrays,
        box_ends=np.arange(10, boxes + 1, 10),
        boxes_tlwh=np.ones((boxes, 4), np.float32),
        identities=(np.arange(boxes) % 10**5).astype(np.int32),
        classes=np.zeros(boxes, np.int16),
        sequence_of=np.repeat(np.arange(100, dtype=np.int32), boxes // 1000),
        frames=np.tile(np.arange(1, boxes // 1000 + 1, dtype=np.int32), 100),
        own_ids=np.arange(10**5),
        own_sequences=np.repeat(np.arange(100, dtype=np.int32), 1000),
    )
    info = replace(index.info, identity_counts=(10**5,), sequences=tuple(map(str, range(100))))
    start = time.perf_counter()
    assert check_index(LabelIndex(arrays, info)) == ()
    assert time.perf_counter() - start < 1
