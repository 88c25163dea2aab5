from collections.abc import Callable

import numpy as np
import pytest
from helpers.raw_labels import Row, make_raw, walk

from fairmot.data.index.builder import Selection
from fairmot.data.inspection.box_checks import duplicate_box_rows, duplicate_id_rows, duplicates_to_drop
from fairmot.data.inspection.findings import ERROR, MAX_LISTED, NOTE, WARNING, Check, Finding
from fairmot.data.inspection.label_checks import check_labels
from fairmot.data.inspection.raw_labels import RawLabels

VALID: list[Row] = walk(3, 4)


def run(raw: RawLabels, *, max_objects: int = 500) -> list[Finding]:
    return check_labels(raw, np.zeros((len(raw), 2), dtype=np.int64), max_objects=max_objects)


def checks_of(found: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.severity, finding.check) for finding in found}


def test_valid_labels_have_no_finding() -> None:
    assert run(make_raw(VALID, images=4)) == []


CASES: dict[str, tuple[Callable[[], RawLabels], tuple[str, str]]] = {
    "exploded": (lambda: make_raw(walk(3, 20, has_explosion=True), images=20), (ERROR, Check.IDENTITY_EXPLOSION)),
    "explosion in a folder of still images": (
        lambda: make_raw(walk(3, 20, has_explosion=True), images=20, frames=[0] * 20),
        (ERROR, Check.IDENTITY_EXPLOSION),
    ),
    "identity twice": (lambda: make_raw([*VALID, (1, 2, 150, 20, 20, 50)], images=4), (ERROR, Check.DUPLICATE_ID)),
    "the same box twice": (
        lambda: make_raw([*VALID, (1, 9, 11, 20, 20, 50)], images=4),
        (WARNING, Check.DUPLICATE_BOX),
    ),
    "no width": (lambda: make_raw([*VALID, (1, 9, 11, 20, 0, 50)], images=4), (WARNING, Check.DEGENERATE)),
    "off to the right": (lambda: make_raw([*VALID, (1, 9, 200, 20, 20, 50)], images=4), (WARNING, Check.OUTSIDE)),
    "off at the top": (lambda: make_raw([*VALID, (1, 9, 11, -50, 20, 50)], images=4), (WARNING, Check.OUTSIDE)),
    "larger than twice the image": (
        lambda: make_raw([*VALID, (1, 9, 11, 20, 401, 50)], images=4),
        (WARNING, Check.OVERSIZED),
    ),
    "reaching far out": (lambda: make_raw([*VALID, (1, 9, -30, 20, 60, 50)], images=4), (NOTE, Check.TRUNCATED)),
    "unknown identities": (
        lambda: make_raw([(image, -1, *box) for image, _, *box in VALID], images=4),
        (WARNING, Check.NO_IDENTITIES),
    ),
    "no box": (lambda: make_raw([]), (ERROR, Check.NO_BOXES)),
    "nothing but empty boxes": (lambda: make_raw([(0, 1, 5, 5, 0, 5)], images=1), (WARNING, Check.DEGENERATE)),
    "mostly empty": (lambda: make_raw(VALID, images=9), (WARNING, Check.MOSTLY_EMPTY)),
    "none of the classes": (
        lambda: make_raw(VALID, images=4, kinds=["car"] * len(VALID)),
        (ERROR, Check.CLASSES),
    ),
    "one class without a box": (
        lambda: make_raw(VALID, images=4, selection=Selection(("pedestrian", "car"), (1, 3))),
        (WARNING, Check.CLASSES),
    ),
    "another class": (
        lambda: make_raw([*VALID, (3, 9, 150, 20, 20, 50)], images=4, kinds=["person"] * len(VALID) + ["dog"]),
        (NOTE, Check.CLASSES),
    ),
    "a gap": (lambda: make_raw(VALID, images=4, frames=[1, 2, 5, 6]), (WARNING, Check.FRAME_GAPS)),
    "an image twice": (
        lambda: make_raw(VALID, images=["a/1.jpg", "a/2.jpg", "a/./1.jpg", "a/3.jpg"], frames=[0] * 4),
        (ERROR, Check.LISTED_TWICE),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_check_finds_its_error(name: str) -> None:
    make, expected = CASES[name]
    assert expected in checks_of(run(make()))


def test_more_boxes_than_max_objects() -> None:
    raw = make_raw(VALID, images=4)
    assert checks_of(run(raw, max_objects=2)) == {(WARNING, Check.TOO_MANY_BOXES)}
    assert run(raw, max_objects=3) == []


@pytest.mark.parametrize("identity", ["box", "none"])
def test_unused_identities_are_not_checked(identity: str) -> None:
    selection = Selection(("pedestrian",), (1,), identity=identity)
    assert run(make_raw(walk(3, 20, has_explosion=True), images=20, selection=selection)) == []


def test_still_images_of_different_people_are_no_explosion() -> None:
    rng = np.random.default_rng(0)
    rows = [(n // 3, n, *(rng.uniform(0, 150), rng.uniform(0, 60)), 20.0, 35.0) for n in range(90)]
    assert not [f for f in run(make_raw(rows, images=30, frames=[0] * 30)) if f.check == Check.IDENTITY_EXPLOSION]


def test_portraits_are_no_explosion() -> None:
    rows = [(n, n, 50.0, 10.0, 60.0, 80.0) for n in range(30)]
    assert run(make_raw(rows, images=30, frames=[0] * 30)) == []


def test_truncated_boxes_with_clip_are_no_finding() -> None:
    selection = Selection(("pedestrian",), (1,), clip=True)
    assert run(make_raw([*VALID, (1, 9, -30, 20, 60, 50)], images=4, selection=selection)) == []


def test_image_sizes_override_stated_sizes() -> None:
    raw = make_raw(VALID, images=4, stated_hw=(0, 0))
    assert run(raw) == []  # sizes unknown
    found = check_labels(raw, np.full((4, 2), 60), max_objects=500)
    assert (WARNING, Check.OUTSIDE) in checks_of(found)


def test_duplicate_finding_names_both_lines() -> None:
    rows = [(0, 1, 10, 20, 20, 50), (0, 1, 90, 20, 20, 50), (1, 1, 11, 20, 20, 50)]
    (finding,) = [f for f in run(make_raw(rows)) if f.severity == ERROR]
    assert finding.where == "S/gt/gt.txt:2"
    assert finding.message == "identity 1 twice in S/img1/000001.jpg, first at 1"


def test_long_list_ends_with_a_count() -> None:
    rows = [(0, n, 10, 20, 0, 50) for n in range(MAX_LISTED + 30)]
    found = [f for f in run(make_raw([*VALID, *rows], images=4)) if f.check == Check.DEGENERATE]
    assert len(found) == MAX_LISTED + 1
    assert sum(finding.count for finding in found) == MAX_LISTED + 30


def test_duplicate_matching_the_next_frame_is_kept() -> None:
    rows = [(0, 1, 100, 20, 20, 50), (0, 1, 10, 20, 20, 50), (1, 1, 11, 20, 20, 50)]
    raw = make_raw(rows)
    assert duplicates_to_drop(raw, duplicate_id_rows(raw)).tolist() == [0]


def test_equal_box_with_identity_is_kept() -> None:
    raw = make_raw([(0, -1, 10, 20, 20, 50), (0, 4, 10, 20, 20, 50), (0, -1, 10, 20, 20, 50)])
    found = duplicate_box_rows(raw)
    assert found.rows.tolist() == [0, 2]
    assert found.firsts.tolist() == [1, 1]
