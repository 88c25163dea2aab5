"""Positions of embedding samples in training and at inference; detection losses do not depend on them."""

import numpy as np
import pytest
import torch
from helpers.small_batches import MAP_HW, make_batch, random_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.codec.embedding_sampling import SAMPLERS, sample_embeddings, sample_for_training
from fairmot.codec.head_reader import DenseHeadReader
from fairmot.codec.points import CenterPoints, gather_at, points_from_boxes
from fairmot.codec.positive_anchors import positive_cells
from fairmot.config.defaults import MODEL
from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.structures.outputs import HeadOutputs

HEIGHT, WIDTH = MAP_HW
ALL = list(SAMPLERS)
ONE_EACH = [how for how in ALL if how != "pos_anchor"]
inside = st.integers(96, 832).map(lambda part: part / 64)  # no cell's edge is missed by rounding


def random_map(images=2, values=3, dtype=torch.float32):
    return torch.randn(images, values, *MAP_HW, generator=torch.Generator().manual_seed(0), dtype=dtype)


def ramps():
    """(1, 2, H, W): each cell's column and row."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([columns, rows])[None].float()


def points_at(*boxes):
    return points_from_boxes(torch.from_numpy(np.array([boxes], dtype=np.float64)), map_hw=MAP_HW)


def sample(values_BDHW, points, how):
    return sample_embeddings(DenseHeadReader(values_BDHW), points, sampling=how)


def test_samplings_are_the_choices_of_the_configuration():
    assert tuple(ALL) == MODEL["REID_SAMPLING"].choices


@given(x=inside, y=inside, width=st.sampled_from([0.5, 1, 2.75]), height=st.sampled_from([0.5, 1, 3]))
@settings(deadline=None)
def test_ramp_maps_give_the_sampled_position(x, y, width, height):
    """The centre's cell, the centre itself, and the middle of the box, which is the centre again."""
    points = points_at((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    cell, centre = [int(x), int(y)], [x, y]
    expected = {"center": cell, "center_bi": centre, "roi_align": centre, "pos_anchor": cell}
    for how, position in expected.items():
        np.testing.assert_allclose(sample(ramps(), points, how)[0, 0], position, atol=1e-4)


def test_center_bi_equals_manual_interpolation():
    values = torch.zeros(1, 1, *MAP_HW)
    values[0, 0, 4:6, 7:9] = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    points = CenterPoints(torch.tensor([[4 * WIDTH + 7]]), torch.tensor([[[0.25, 0.5]]]), torch.ones(1, 1, 4))
    assert sample(values, points, "center_bi").item() == pytest.approx(
        0.5 * (0.75 * 1 + 0.25 * 2 + 0.75 * 4 + 0.25 * 8)
    )


def test_center_bi_with_zero_offset_equals_center():
    indices = torch.randint(0, HEIGHT * WIDTH, (2, 30), generator=torch.Generator().manual_seed(1))
    points = CenterPoints(indices, torch.zeros(2, 30, 2), torch.ones(2, 30, 4))
    assert torch.equal(sample(random_map(), points, "center_bi"), sample(random_map(), points, "center"))


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        pytest.param((-0.5, 0.25), (22.5, 15.0), id="to the left, and below the last row"),
        pytest.param((1.5, -2.0), (23.0, 13.0), id="beyond the last column, two rows up"),
        pytest.param((1e9, -1e9), (23.0, 0.0), id="far outside"),
    ],
)
def test_predicted_centre_outside_is_clamped_to_the_map(offset, position):
    """From the map's last cell; a network's offsets need not lie within a cell."""
    points = CenterPoints(torch.tensor([[HEIGHT * WIDTH - 1]]), torch.tensor([[offset]]), torch.ones(1, 1, 4))
    np.testing.assert_allclose(sample(ramps(), points, "center_bi")[0, 0], position, atol=1e-4)


@pytest.mark.parametrize("how", ALL)
def test_nan_outputs_do_not_crash(how):
    nothing = CenterPoints(torch.tensor([[5]]), torch.full((1, 1, 2), torch.nan), torch.full((1, 1, 4), torch.nan))
    assert sample(random_map(1), nothing, how).shape == (1, 1, 3)


def mean_by_hand(values_DHW, box):
    """14 x 14 points spread evenly over the box, cut to the map, each bilinear, then their mean."""
    left, top, right, bottom = np.clip(box, 0, [WIDTH - 1, HEIGHT - 1] * 2)
    total = np.zeros(len(values_DHW))
    for row in range(14):
        for column in range(14):
            x, y = left + (column + 0.5) * (right - left) / 14, top + (row + 0.5) * (bottom - top) / 14
            x0, y0 = min(int(x), WIDTH - 2), min(int(y), HEIGHT - 2)
            fx, fy = x - x0, y - y0
            upper = values_DHW[:, y0, x0] * (1 - fx) + values_DHW[:, y0, x0 + 1] * fx
            lower = values_DHW[:, y0 + 1, x0] * (1 - fx) + values_DHW[:, y0 + 1, x0 + 1] * fx
            total += upper * (1 - fy) + lower * fy
    return total / 14**2


@given(st.tuples(*[st.floats(-30, 50)] * 2), st.tuples(*[st.floats(0, 40)] * 2))
@settings(deadline=None, max_examples=40)
def test_roi_align_equals_manual_mean(corner, size):
    box = np.array([*corner, corner[0] + size[0], corner[1] + size[1]])
    values = random_map(1, dtype=torch.float64)
    found = sample(values, points_at(box), "roi_align")[0, 0]
    np.testing.assert_allclose(found, mean_by_hand(values[0].numpy(), box), atol=2e-5)


@pytest.mark.parametrize(
    ("box", "position"),
    [
        pytest.param((7.5, 3.25, 7.5, 3.25), (7.5, 3.25), id="no size"),
        pytest.param((9.0, 8.0, 5.0, 2.0), (7.0, 5.0), id="negative size"),
        pytest.param((-9.0, -9.0, -5.0, -4.0), (0.0, 0.0), id="outside, above"),
        pytest.param((40.0, 4.0, 50.0, 8.0), (23.0, 6.0), id="outside, on the right"),
        pytest.param((-1e9, -1e9, 1e9, 1e9), (11.5, 7.5), id="over the full map"),
        pytest.param((-4.0, 2.0, 8.0, 6.0), (4.0, 4.0), id="over the left border"),
    ],
)
def test_extreme_boxes_have_finite_means_and_gradients(box, position):
    values = ramps().requires_grad_()
    cell = torch.tensor([[0]])
    sides = torch.tensor([[[-box[0], -box[1], box[2], box[3]]]])
    found = sample(values, CenterPoints(cell, torch.zeros(1, 1, 2), sides), "roi_align")
    np.testing.assert_allclose(found.detach()[0, 0], position, atol=1e-4)
    torch.nn.functional.normalize(found, dim=2).sum().backward()
    assert bool(torch.isfinite(values.grad).all())


@pytest.mark.parametrize("how", ONE_EACH)
def test_training_samples_at_the_targets(how):
    batch, values = random_batch(), random_map()
    samples = sample_for_training(values, batch, sampling=how)
    known = batch.mask_BK & (batch.identities_BK >= 0)
    points = CenterPoints(batch.indices_BK, batch.offsets_BK2, batch.sizes_BK4)
    torch.testing.assert_close(samples.embeddings_ND, sample(values, points, how)[known])
    assert torch.equal(samples.identities_N, batch.identities_BK[known])
    assert torch.equal(samples.classes_N, batch.classes_BK[known])
    assert samples.weights_N is None


def test_center_equals_gather_at_bit_for_bit():
    batch, values = random_batch(), random_map()
    known = batch.mask_BK & (batch.identities_BK >= 0)
    expected = gather_at(values, batch.indices_BK)[known]
    for samples in (sample_for_training(values, batch, sampling="center"), sample_for_training(values, batch)):
        assert torch.equal(samples.embeddings_ND, expected)


def test_pos_anchor_samples_all_positive_cells_with_weights():
    batch, values = random_batch(3), random_map()
    samples, cells = sample_for_training(values, batch, sampling="pos_anchor"), positive_cells(batch, map_hw=MAP_HW)
    rows = values.permute(0, 2, 3, 1).reshape(-1, 3)
    identities = batch.identities_BK[batch.mask_BK]
    expected = [(number, cell) for cell, number in zip(cells.cells_S, cells.objects_S) if identities[number] >= 0]  # noqa: B905
    assert 0 < len(samples.identities_N) == len(expected) < len(cells.cells_S)
    for row, (number, cell) in enumerate(expected):
        assert torch.equal(samples.embeddings_ND[row], rows[cell])
        assert samples.identities_N[row] == identities[number]
        assert samples.classes_N[row] == batch.classes_BK[batch.mask_BK][number]
        assert samples.weights_N[row] == pytest.approx(1 / int((cells.objects_S == number).sum()))
    assert float(samples.weights_N.sum()) == pytest.approx(int((identities >= 0).sum()), rel=1e-6)


def test_cells_of_unknown_identities_are_ignored():
    box, near = (4.0, 2.0, 10.0, 14.0), (6.0, 2.0, 12.0, 14.0)
    alone = sample_for_training(random_map(1), make_batch([[box]]), sampling="pos_anchor")
    together = sample_for_training(random_map(1), make_batch([[box, near]], [[0, -1]]), sampling="pos_anchor")
    assert 0 < len(together.identities_N) < len(alone.identities_N)
    assert set(together.identities_N.tolist()) == {0}


def test_pos_anchor_of_single_cell_objects_equals_center():
    """Objects of a cell or two, whose middles lie near a cell, have no other one, and the weights are 1."""
    batch = make_batch([[(3.5, 3.5, 4.5, 4.5), (10.25, 6.0, 11.75, 8.0)], [(19.5, 9.0, 20.75, 11.0)]])
    one, other = (sample_for_training(random_map(), batch, sampling=how) for how in ("pos_anchor", "center"))
    assert torch.equal(one.embeddings_ND, other.embeddings_ND)
    assert torch.equal(one.identities_N, other.identities_N)
    assert one.weights_N.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("how", ALL)
@pytest.mark.parametrize("kind", ["no object", "no slot", "no known identity"])
def test_batch_without_known_identity_gives_empty_samples(how, kind):
    values = random_map().requires_grad_()
    batch = make_batch([[], []]) if kind == "no object" else random_batch(unknown=1.0)
    if kind == "no slot":
        batch = batch._replace(**{name: value[:, :0] for name, value in batch._asdict().items() if "K" in name})
    samples = sample_for_training(values, batch, sampling=how)
    assert samples.embeddings_ND.shape == (0, 3)
    assert samples.identities_N.shape == samples.classes_N.shape == (0,)
    samples.embeddings_ND.sum().backward()
    assert not values.grad.any()


@pytest.mark.parametrize("how", ALL)
def test_no_points_give_empty_embeddings(how):
    points = CenterPoints(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, 2), torch.zeros(2, 0, 4))
    assert sample(random_map(), points, how).shape == (2, 0, 3)


@pytest.mark.parametrize("how", ALL)
def test_gradients_equal_finite_differences(how):
    values = random_map(1, 2, torch.float64)[..., :6, :8].clone().requires_grad_()
    batch = make_batch([[(0.6, 0.7, 4.9, 4.2), (3.1, 1.0, 9.5, 6.1), (-2.0, 1.5, 1.0, 3.0)]])
    column, row = batch.indices_BK % WIDTH, batch.indices_BK // WIDTH
    batch = batch._replace(indices_BK=row * 8 + column)

    def embed(values_BDHW):
        return sample_for_training(values_BDHW, batch, sampling=how).embeddings_ND

    assert torch.autograd.gradcheck(embed, (values,))


@pytest.mark.parametrize("how", ALL)
def test_sampling_does_not_change_detection_losses(how):
    """Losses of heatmap, sizes and offsets and the gradients on these maps equal those of `center`, bit for bit."""
    batch = random_batch(7)

    def learn(sampling):
        torch.manual_seed(0)
        overrides = ["MODEL.REID_DIM", "3", "MODEL.NUM_CLASSES", "3", "MODEL.REID_SAMPLING", sampling]
        criterion = build_criterion(load_cfg(None, overrides), num_identities=(6, 6, 6))
        outputs = HeadOutputs(*(random_map(values=count).requires_grad_() for count in (3, 4, 2, 3)))
        terms = criterion(outputs, batch)
        criterion.balance(terms.detection, terms.identity).backward()
        return terms, outputs

    (terms, outputs), (expected, reference) = learn(how), learn("center")
    for name in ("heatmap", "size", "offset"):
        assert torch.equal(getattr(terms, name), getattr(expected, name))
    for name in ("heatmap", "size_ltrb", "offset"):
        assert torch.equal(getattr(outputs, name).grad, getattr(reference, name).grad)
    assert torch.equal(outputs.embedding.grad, reference.embedding.grad) == (how == "center")
    assert bool(torch.isfinite(outputs.embedding.grad).all())
    assert outputs.embedding.grad.any()
