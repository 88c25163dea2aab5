"""Cells go to the objects that a double loop over cells and objects gives them to."""

import numpy as np
import pytest
import torch
from helpers.small_batches import MAP_HW, make_batch, random_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.codec import positive_anchors as anchors
from fairmot.codec.positive_anchors import positive_cells

HEIGHT, WIDTH = MAP_HW
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def objects_of(batch):
    """(image, centre's cell, box) of each object present."""
    for image, column in batch.mask_BK.nonzero().tolist():
        y, x = divmod(int(batch.indices_BK[image, column]), WIDTH)
        centre = np.array([x, y]) + batch.offsets_BK2[image, column].double().numpy()
        sides = batch.sizes_BK4[image, column].double().numpy()
        yield image, (x, y), np.concatenate([centre - sides[:2], centre + sides[2:]])


def overlap(box, other):
    shared = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None).prod()
    union = (box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - shared
    return shared / union


def brute_force(batch):
    """Object -> its flat cells, by a loop over all cells and objects."""
    objects = list(objects_of(batch))
    cells = {number: [] for number in range(len(objects))}
    for image in range(len(batch.mask_BK)):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                claims = []
                for number, (own_image, centre, box) in enumerate(objects):
                    shift = np.array([x, y]) - (box[:2] + box[2:]) / 2
                    iou = overlap(box, box + np.tile(shift, 2))
                    if own_image == image and (iou >= 0.5 or (x, y) == centre):
                        claims.append((-round(iou, 9), round(float((shift**2).sum()), 9), number))
                if claims:
                    cells[min(claims)[2]].append((image * HEIGHT + y) * WIDTH + x)
    for number, (image, (x, y), _) in enumerate(objects):
        cells[number] = cells[number] or [(image * HEIGHT + y) * WIDTH + x]
    return cells


def by_object(found):
    cells = {}
    for cell, number in zip(found.cells_S.tolist(), found.objects_S.tolist(), strict=True):
        cells.setdefault(number, []).append(cell)
    return {number: sorted(own) for number, own in cells.items()}


@pytest.mark.parametrize("device", DEVICES)
@given(seed=st.integers(0, 10**6), people=st.integers(1, 7))
@settings(deadline=None, max_examples=15)
def test_cells_equal_a_double_loop(device, seed, people):
    batch = random_batch(seed, people=people)
    assert by_object(positive_cells(batch.to(torch.device(device)), map_hw=MAP_HW)) == brute_force(batch)


def test_single_object_has_the_cells_around_its_middle():
    """A box of 6 x 12 cells moved by (x, y) overlaps itself by 0.5 where (6 - |x|) (12 - |y|) is two thirds of it."""
    found = positive_cells(make_batch([[(5.0, 2.0, 11.0, 14.0)]]), map_hw=MAP_HW)
    cells = {(cell % WIDTH - 8, cell // WIDTH - 8) for cell in found.cells_S.tolist()}
    around = [(x, y) for x in range(-5, 6) for y in range(-8, 8)]
    assert cells == {(x, y) for x, y in around if (6 - abs(x)) * (12 - abs(y)) * 3 >= 2 * 6 * 12}
    assert {(2, 0), (0, 4), (1, 2)} <= cells
    assert cells.isdisjoint({(3, 0), (0, 5), (1, 3)})


def test_cell_is_assigned_to_the_higher_overlap():
    """1 of 6 cells to the side leaves more than 4 of 12; the second one comes first in the batch."""
    cells = by_object(positive_cells(make_batch([[(4.0, 4.0, 16.0, 8.0), (2.0, 4.0, 8.0, 8.0)]]), map_hw=MAP_HW))
    assert 6 * WIDTH + 6 in cells[1]


def test_equal_overlaps_are_decided_by_distance():
    """2 of 12 cells to the side and 1 of 6 leave the same."""
    cells = by_object(positive_cells(make_batch([[(2.0, 4.0, 14.0, 8.0), (8.0, 4.0, 14.0, 8.0)]]), map_hw=MAP_HW))
    assert 6 * WIDTH + 10 in cells[1]


def test_equal_boxes_give_cells_to_the_first_and_centre_to_both():
    box = (6.0, 2.0, 12.0, 14.0)
    cells = by_object(positive_cells(make_batch([[box, box]]), map_hw=MAP_HW))
    assert len(cells[0]) > 1
    assert cells[1] == [8 * WIDTH + 9]


@pytest.mark.parametrize(
    ("box", "cell"),
    [
        pytest.param((3.2, 3.2, 3.6, 3.6), (3, 3), id="smaller than a cell"),
        pytest.param((-9.0, -9.0, 1.0, 1.0), (0, 0), id="middle outside the map"),
        pytest.param((200.0, 100.0, 210.0, 130.0), (23, 15), id="outside the map"),
    ],
)
def test_every_object_has_its_centre_cell(box, cell):
    found = positive_cells(make_batch([[box]]), map_hw=MAP_HW)
    assert cell in {(flat % WIDTH, flat // WIDTH) for flat in found.cells_S.tolist()}


def test_box_larger_than_the_map_has_all_cells():
    found = positive_cells(make_batch([[(-1e9, -1e9, 1e9, 1e9)]]), map_hw=MAP_HW)
    assert sorted(found.cells_S.tolist()) == list(range(HEIGHT * WIDTH))


@pytest.mark.parametrize("images", [1, 2])
def test_no_objects_have_no_cells(images):
    found = positive_cells(make_batch([[]] * images), map_hw=MAP_HW)
    assert found.cells_S.shape == found.objects_S.shape == (0,)


def test_crowd_is_assigned_in_chunks_of_bounded_memory(monkeypatch):
    batch = random_batch(5, people=40)
    expected = positive_cells(batch, map_hw=MAP_HW)
    sizes, make_pairs = [], anchors._make_pairs

    def watch(objects, map_hw):
        sizes.append(int(objects.spans_N2.prod(1).sum()))
        return make_pairs(objects, map_hw)

    monkeypatch.setattr(anchors, "_make_pairs", watch)
    monkeypatch.setattr(anchors, "CHUNK_PAIRS", 100)
    parts = positive_cells(batch, map_hw=MAP_HW)
    assert len(sizes) > 6
    assert max(sizes) <= 100 + HEIGHT * WIDTH
    for one, other in zip(parts, expected, strict=True):
        assert torch.equal(one, other)
