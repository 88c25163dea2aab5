from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.walkers import EMPTY, detect, run

from fairmot.structures.detections import Detections
from fairmot.tracking.options import GalleryOptions, TrackerOptions
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.errors import InputError

OPTIONS = TrackerOptions(max_lost=3, gallery=GalleryOptions(100, 0.2))


def absence(person: int = 0, away: int = 20) -> list[Detections]:
    """Person 0 leaves; after `away` frames `person` appears at another position for two frames."""
    return [detect((0, 0)), detect((0, 0)), *[EMPTY] * away, *[detect((person, 500.0))] * 2]


def test_returning_person_gets_the_old_identity() -> None:
    assert run(JointTracker(OPTIONS), absence())[-2:] == [[], [1]]
    assert run(JointTracker(TrackerOptions(max_lost=3)), absence())[-2:] == [[], [2]]


def test_another_person_gets_a_new_identity() -> None:
    assert run(JointTracker(OPTIONS), absence(person=1))[-1] == [2]


def test_entries_are_dropped_after_max_age() -> None:
    assert run(JointTracker(OPTIONS), absence(away=101))[-1] == [2]


def test_an_identity_is_given_once() -> None:
    tracker = JointTracker(OPTIONS)
    run(tracker, [*absence()[:-2], *[detect((0, 500.0), (0, 900.0))] * 2])
    assert sorted(tracker.state_dict()["ids"].tolist()) in ([1, 2], [1, 3])


def test_classes_do_not_mix() -> None:
    tracker = JointTracker(OPTIONS)
    run(tracker, [detect((0, 0), classes=[0])] * 2 + [EMPTY] * 20)
    assert run(tracker, [detect((0, 500.0), classes=[1])] * 2)[-1] == [2]


def test_unconfirmed_tracks_are_not_stored() -> None:
    tracker = JointTracker(OPTIONS)
    run(tracker, [EMPTY, detect((0, 0)), *[EMPTY] * 20])
    assert len(tracker.state_dict()["gallery_ids"]) == 0


def test_without_appearance_no_track_is_reidentified() -> None:
    assert run(JointTracker(replace(OPTIONS, use_appearance=False)), absence())[-1] == [2]


def test_state_is_saved_and_loaded() -> None:
    first, second = JointTracker(OPTIONS), JointTracker(OPTIONS)
    run(first, absence()[:-2])
    second.load_state_dict(first.state_dict())
    assert run(second, absence()[-2:]) == [[], [1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("gallery_classes"), "gallery_classes is missing"),
        (lambda state: state.update(gallery_embeddings=np.zeros((5, 3))), "gallery_embeddings: expected shape"),
    ],
)
def test_invalid_state_is_refused(change: Any, message: str) -> None:
    tracker = JointTracker(OPTIONS)
    run(tracker, absence()[:-2])
    state = tracker.state_dict()
    change(state)
    with pytest.raises(InputError, match=message):
        JointTracker(OPTIONS).load_state_dict(state)
