import numpy as np
import pytest

from fairmot.structures.detections import Detections
from fairmot.tracking import kalman
from fairmot.tracking.track_table import TrackState, TrackTable, select_candidates
from fairmot.utils.errors import InputError


def make_detections(boxes: list[list[float]], scores: list[float], classes: list[int] | None = None) -> Detections:
    embeddings = np.eye(max(len(boxes), 2), dtype=np.float32)[: len(boxes)]
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(scores, dtype=np.float32),
        embeddings,
        None if classes is None else np.array(classes),
    )


def test_candidates_have_a_high_score_and_a_valid_box() -> None:
    box = [0.0, 0, 10, 20]
    boxes = [box, box, [0, 0, 10, 0], [0, 5, 10, 1], [0, np.nan, 10, 20], [0, 0, np.inf, 20], box]
    scores = [0.5, 0.4, 0.9, 0.9, 0.9, 0.9, np.nan]
    detections = make_detections(boxes, scores)
    assert select_candidates(detections, threshold=0.4).index.tolist() == [0]


def test_sizes_are_computed_in_float32() -> None:
    detections = Detections(np.array([[1000.1, 0.0, 1040.3, 100.0]]), np.ones(1), np.ones((1, 2)))
    candidates = select_candidates(detections, threshold=0.4)
    width = float(np.float32(1040.3) - np.float32(1000.1))
    assert candidates.measurements[0].tolist() == [float(np.float32(1000.1)) + width / 2, 50.0, width / 100, 100.0]


def test_select_candidates_does_not_change_detections() -> None:
    embeddings = np.array([[3.0, 4.0], [np.nan, 1.0]], dtype=np.float32)
    detections = Detections(np.array([[0, 0, 5, 5], [0, 0, 5, 5]], np.float32), np.ones(2, np.float32), embeddings)
    candidates = select_candidates(detections, threshold=0.4)
    np.testing.assert_allclose(candidates.embeddings, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert embeddings[0].tolist() == [3.0, 4.0]


def make_table(count: int, first_id: int = 1) -> TrackTable:
    detections = make_detections([[10.0 * i, 0, 10.0 * i + 5, 20] for i in range(count)], [0.9] * count)
    candidates = select_candidates(detections, threshold=0.4)
    return TrackTable.from_candidates(candidates, first_id=first_id, frame=1, state=TrackState.TRACKED)


def test_boxes_xyxy_are_those_of_the_kalman_means() -> None:
    table = make_table(3)
    np.testing.assert_allclose(kalman.ASPECT_HEIGHT.boxes_tlwh(table.means[[2, 0]]), [[20, 0, 5, 20], [0, 0, 5, 20]])
    np.testing.assert_allclose(table.boxes_xyxy(np.array([1]), kalman.ASPECT_HEIGHT), [[10, 0, 15, 20]])


def test_concat_and_index() -> None:
    table = make_table(2).concat(make_table(2, first_id=3))
    assert table.ids.tolist() == [1, 2, 3, 4]
    assert table[np.array([3, 0])].ids.tolist() == [4, 1]
    assert len(TrackTable.empty().concat(TrackTable.empty())) == 0
    assert TrackTable.empty().concat(make_table(1)).ids.tolist() == [1]
    assert make_table(1).concat(TrackTable.empty()).ids.tolist() == [1]


def test_state_is_a_copy() -> None:
    table = make_table(2)
    state = table.state_dict()
    table.means[:] = 0
    assert (TrackTable.from_state_dict(state).means != 0).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("means"), "tracker state: means is missing"),
        (lambda state: state.update(means=np.zeros((2, 7))), r"means: expected shape \(2, 8\)"),
        (lambda state: state.update(states=np.zeros(5)), r"states: expected shape \(2\)"),
        (lambda state: state.update(ids=3), r"ids: expected shape"),
        (lambda state: state.update(classes=["person", "car"]), "tracker state: "),
    ],
)
def test_invalid_state_is_refused_by_name(change, message: str) -> None:
    state = make_table(2).state_dict()
    change(state)
    with pytest.raises(InputError, match=message):
        TrackTable.from_state_dict(state)
