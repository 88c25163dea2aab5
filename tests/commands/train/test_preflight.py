"""Preflight of a training: its warnings."""

from types import SimpleNamespace

import pytest

from fairmot.commands.train.preflight import _warn_of_triplets
from fairmot.config.load import load_cfg


@pytest.mark.parametrize(
    ("overrides", "identities", "said"),
    [
        ([], 5, None),
        (["LOSS.IDENTITY", "triplet"], 5, "DATA.IMAGES_PER_SEQUENCE 1"),
        (["LOSS.IDENTITY", "triplet", "DATA.IMAGES_PER_SEQUENCE", "2"], 5, None),
        (["LOSS.IDENTITY", "triplet", "DATA.IMAGES_PER_SEQUENCE", "2"], 50, "each identity occurs once"),
        (["LOSS.IDENTITY", "triplet", "MODEL.REID_SAMPLING", "pos_anchor"], 50, None),
    ],
)
def test_preflight_warns_of_missing_triplets(overrides, identities, said):
    dataset = SimpleNamespace(identity_counts=(identities,), samples=SimpleNamespace(num_boxes=50))
    warnings = _warn_of_triplets(load_cfg(None, overrides), dataset)
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]
