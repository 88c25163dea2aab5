"""The heatmap of the device equals the host's, cell by cell."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.codec import render_heatmap as render
from fairmot.codec.encode import encode
from fairmot.codec.render_heatmap import complete_heatmap, render_heatmap
from fairmot.structures.batch import Batch

INPUT_HW, MAP_HW = (64, 96), (16, 24)
CLASSES = 3
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
coordinates = st.floats(-300, 400)  # wide boxes, narrow ones, outside the input and over its borders
objects = st.tuples(st.tuples(*[coordinates] * 4), st.integers(0, CLASSES - 1))
scenes = st.lists(st.lists(objects, max_size=8), min_size=1, max_size=3)


def encode_scene(scene, input_hw=INPUT_HW):
    boxes = np.array([box for box, _ in scene], dtype=np.float64).reshape(-1, 4)
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    classes = np.array([kind for _, kind in scene], dtype=np.int64)
    return encode(boxes, np.arange(len(boxes)), input_hw=input_hw, num_classes=CLASSES, classes=classes)


def padded(targets, name):
    """(B, K) tensor; the padding holds numbers that must not be drawn."""
    fullest = max(1, *(len(target.indices) for target in targets))
    rows = np.full((len(targets), fullest), 1)
    for row, target in zip(rows, targets, strict=True):
        row[: len(target.indices)] = getattr(target, name)
    return torch.from_numpy(rows)


def pack(targets):
    mask = torch.arange(padded(targets, "indices").shape[1]) < torch.tensor([[len(t.indices)] for t in targets])
    return (*(padded(targets, name) for name in ("indices", "classes", "radii")), mask)


def assert_equal_to_host(targets, *, device="cpu", map_hw=MAP_HW):
    moved = [value.to(device) for value in pack(targets)]
    heatmap = render_heatmap(*moved, num_classes=CLASSES, map_hw=map_hw)
    assert (heatmap.dtype, heatmap.device.type) == (torch.float32, device)
    rendered, host = heatmap.cpu().numpy(), np.stack([target.heatmap for target in targets])
    np.testing.assert_allclose(rendered, host, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(rendered == 1, host == 1)
    np.testing.assert_array_equal(rendered == 0, host == 0)


@pytest.mark.parametrize("device", DEVICES)
@given(scenes)
@settings(deadline=None)
def test_random_scenes_equal_encode(device, batch):
    assert_equal_to_host([encode_scene(scene) for scene in batch], device=device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "box",
    [
        pytest.param((0, 0, 4, 4), id="one cell"),
        pytest.param((-50, -50, 8, 8), id="corner"),
        pytest.param((90, 60, 96, 64), id="other corner"),
        pytest.param((1e6, 1e6, 2e6, 2e6), id="outside"),
        pytest.param((-1e4, -1e4, 1e4, 1e4), id="radius of hundreds"),
        pytest.param((-1e12, -1e12, 1e12, 1e12), id="radius at its limit"),
    ],
)
def test_border_and_extreme_boxes_equal_encode(device, box):
    assert_equal_to_host([encode_scene([(box, 1)]), encode_scene([])], device=device)


def test_no_objects_give_an_empty_heatmap():
    assert_equal_to_host([encode_scene([]), encode_scene([])])


@pytest.mark.parametrize("device", DEVICES)
def test_crowd_is_drawn_in_chunks_of_bounded_memory(monkeypatch, device):
    monkeypatch.setattr(render, "CHUNK_PAIRS", 200)
    sizes_of_chunks, splat = [], render._splat_max

    def watch(heatmap, windows, map_hw):
        sizes_of_chunks.append(int((windows.heights * windows.widths).sum()))
        splat(heatmap, windows, map_hw)

    monkeypatch.setattr(render, "_splat_max", watch)
    rng = np.random.default_rng(0)
    corners = rng.uniform(-20, 90, (2, 60, 2))
    sizes = rng.lognormal(3, 1.5, (2, 60, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=2)
    batch = [encode_scene([(box, number % CLASSES) for number, box in enumerate(image)]) for image in boxes]
    assert_equal_to_host(batch, device=device)
    assert len(sizes_of_chunks) > 3
    assert max(sizes_of_chunks) <= 200 + MAP_HW[0] * MAP_HW[1]


def make_batch(targets, heatmap):
    indices, classes, radii, mask = pack(targets)
    count, fullest = indices.shape
    return Batch(
        images_B3HW=torch.zeros(count, 3, *INPUT_HW),
        heatmap_BCHW=heatmap,
        indices_BK=indices,
        mask_BK=mask,
        sizes_BK4=torch.zeros(count, fullest, 4),
        offsets_BK2=torch.zeros(count, fullest, 2),
        identities_BK=torch.full((count, fullest), -1),
        classes_BK=classes,
        radii_BK=radii,
        image_paths=("a.jpg",) * count,
    )


def test_complete_heatmap_renders_only_empty_heatmaps():
    targets = [encode_scene([((10, 10, 30, 50), 2), ((40, 0, 60, 30), 0)]), encode_scene([])]
    host = torch.from_numpy(np.stack([target.heatmap for target in targets]))
    completed = complete_heatmap(make_batch(targets, torch.zeros(2, CLASSES, 0, 0)))
    torch.testing.assert_close(completed.heatmap_BCHW, host, rtol=0, atol=1e-6)
    batch = make_batch(targets, host)
    assert complete_heatmap(batch) is batch
