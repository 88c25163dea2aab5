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


def found_in(index: LabelIndex) -> list[tuple[str, str]]:
    return [(finding.severity, finding.check) for finding in check_index(index)]


def test_sound_sets_pass() -> None:
    assert found_in(index_of(walk(3, 20))) == []
    assert found_in(index_of(walk(3, 4), images=4)) == []  # short tracks, yet kept


@pytest.mark.parametrize("frames", [None, [0] * 20])
def test_exploded_identities_are_an_error(frames: list[int] | None) -> None:
    assert found_in(index_of(walk(3, 20, exploded=True), frames=frames)) == [(ERROR, Check.IDENTITY_EXPLOSION)]


def test_each_box_its_identity_is_a_choice() -> None:
    assert found_in(index_of(walk(3, 20), identity="box")) == []
    unknown = [(image, -1, *box) for image, _, *box in walk(3, 20)]
    assert found_in(index_of(unknown, identity="box")) == []
    assert found_in(index_of(unknown)) == [(WARNING, Check.NO_IDENTITIES)]


def test_a_set_without_boxes_is_an_error() -> None:
    assert found_in(index_of([])) == [(ERROR, Check.NO_BOXES)]


def test_halves_do_not_leak_and_wholes_do() -> None:
    first, second = (index_of(walk(3, 20), name=part, split=Split(part)) for part in ("first_half", "second_half"))
    whole = index_of(walk(3, 20), name="whole")
    assert check_leak([first], [second]) == ()
    (finding,) = check_leak([first], [second, whole])
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
