import matplotlib as mpl
import numpy as np
import pytest

from fairmot.viz.histograms import BoxSizes, IdentityLengths, draw_box_histograms, draw_identity_histograms


def boxes_of(count: int, **more: bool) -> BoxSizes:
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 900, (count, 2)), rng.uniform(5, 200, (count, 2))], axis=1)
    return BoxSizes(boxes, rng.uniform(-0.2, 1.2, (count, 2)), rng.integers(0, 9, max(count // 4, 1)), **more)


def identities_of(count: int, *, with_frames: bool = True) -> IdentityLengths:
    lengths = np.random.default_rng(1).integers(1, 90, count)
    spans = lengths + 3 if with_frames else np.zeros(0, dtype=np.int64)
    return IdentityLengths(
        lengths, spans, ["A", "a sequence with a name that is quite long", ""], np.array([count, 0, 2])
    )


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_box_histograms_of_any_number(count: int) -> None:
    image = draw_box_histograms(boxes_of(count, is_normalised=count == 2), "some set")
    assert image.dtype == np.uint8
    assert image.shape == (740, 1320, 3)
    assert image.flags.c_contiguous
    assert image.std() > 10


@pytest.mark.parametrize("count", [0, 1, 300])
@pytest.mark.parametrize("with_frames", [True, False])
def test_identity_histograms_of_any_number(count: int, with_frames: bool) -> None:
    image = draw_identity_histograms(identities_of(count, with_frames=with_frames), "some set")
    assert image.shape == (460, 1320, 3)
    assert image.std() > 10


def test_box_histograms_are_deterministic() -> None:
    first, again, other = (draw_box_histograms(boxes_of(count), "set") for count in (50, 50, 60))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_equal_and_unknown_sizes() -> None:
    boxes = BoxSizes(np.full((9, 4), 7.0), np.full((9, 2), np.nan), np.full(3, 3))
    assert draw_box_histograms(boxes, "set").std() > 10


def test_global_matplotlib_settings_are_restored() -> None:
    before = dict(mpl.rcParams)
    draw_identity_histograms(identities_of(5), "set")
    assert dict(mpl.rcParams) == before
