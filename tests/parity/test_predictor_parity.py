"""Parity of the predictor's boxes, scores and embeddings with the reference implementation's arrays."""

import json

import numpy as np
import pytest
import torch
from helpers.locations import SHARED
from helpers.reference_arrays import FIXTURES, REFERENCE, reference_images, reference_state, relative_error
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.engine.predictor import HeadOptions, Predictor
from fairmot.models.build import build_model
from fairmot.models.weights import load_weights
from fairmot.structures.outputs import HeadOutputs

FULL = SHARED / "reference" / "parts" / "decode.npz"
FULL_SET = [pytest.mark.dataset, pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL}")]
INPUT_HW = (128, 224)  # of `reference_images`
THIN = 4  # the compact arrays keep every fourth cell of the embedding map
CPU = torch.device("cpu")
pytestmark = pytest.mark.parity


class StoredMaps(nn.Module):
    """A network that returns the stored head maps and an embedding of each cell's index."""

    def __init__(self, reference):
        super().__init__()
        probabilities, size, offset = (torch.from_numpy(reference[n])[:1] for n in ("heatmap", "size_ltrb", "offset"))
        cells = torch.arange(1.0, size[0, 0].numel() + 1).view(1, 1, *size.shape[2:])
        self.outputs = HeadOutputs(
            probabilities.double().logit(), size, offset, torch.cat([cells, torch.ones_like(cells)], 1)
        )

    def forward(self, _images):
        return self.outputs


@pytest.mark.parametrize("path", [FIXTURES / "decode.npz", pytest.param(FULL, marks=FULL_SET)], ids=["compact", "full"])
def test_predictor_on_stored_maps_equals_reference_detections(path):
    reference = np.load(path)
    names = [name for name in reference.files if name.startswith("image_")]
    assert names
    for name in names:
        width, height = map(int, name.removeprefix("image_").split("x"))
        expected, cells = reference[name], reference["indices"][0]
        input_hw = tuple(4 * side for side in reference["heatmap"].shape[2:])
        predictor = Predictor(StoredMaps(reference), input_hw=input_hw, device=CPU, top_k=len(expected), min_score=-1.0)
        found = predictor(np.zeros((height, width, 3), dtype=np.uint8))
        np.testing.assert_allclose(found.boxes_xyxy, expected[:, :4], atol=2e-4, rtol=1e-6)
        np.testing.assert_allclose(found.scores, expected[:, 4], rtol=1e-6)
        np.testing.assert_allclose(found.embeddings[:, 0] / found.embeddings[:, 1], cells + 1, rtol=1e-5)


class StoredInput(nn.Module):
    """A network that processes the reference input instead of the predictor's image."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, _images):
        return self.model(reference_images()[:1])

    def sparse_heads(self, _images, **options):
        return self.model.sparse_heads(reference_images()[:1], **options)


def make_predictor(folder, architecture, heads):
    model = build_model(load_cfg(None, ["MODEL.BACKBONE", architecture]))
    load_weights(model, reference_state(json.loads((folder / f"{architecture}.keys.json").read_text())))
    options = HeadOptions(heads=heads)
    return Predictor(
        StoredInput(model), input_hw=INPUT_HW, device=CPU, min_score=0.0, undo="exact", head_options=options
    )


def reference_detections(arrays):
    """Scores, boxes in pixels and cells (row, column) of the peaks of the reference maps, best first."""
    scores = 1 / (1 + np.exp(-arrays["eval_hm"][0].astype(np.float64)))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(scores, 1), (3, 3))
    rows, columns = np.nonzero(scores == windows.max(axis=(2, 3)))
    order = np.argsort(-scores[rows, columns])
    rows, columns = rows[order], columns[order]
    x, y = np.stack([columns, rows]) + arrays["eval_reg"][:, rows, columns]
    left, top, right, bottom = arrays["eval_wh"][:, rows, columns]
    return scores[rows, columns], 4 * np.stack([x - left, y - top, x + right, y + bottom], axis=1), (rows, columns)


def check_network(folder, architecture, heads):
    arrays = np.load(folder / f"{architecture}.npz")
    predictor, image = make_predictor(folder, architecture, heads), np.zeros((*INPUT_HW, 3), dtype=np.uint8)
    scores, boxes, (rows, columns) = reference_detections(arrays)
    found = predictor(image)
    assert len(scores) > 20
    nearest = np.abs(found.boxes_xyxy[None] - boxes[:, None]).max(axis=2).argmin(axis=1)
    assert len(set(nearest)) == len(scores)
    assert relative_error(found.boxes_xyxy[nearest], boxes) <= 1e-3
    assert relative_error(found.scores[nearest], scores) <= 1e-3
    step = 1 if arrays["eval_id"].shape[1:] == arrays["eval_hm"].shape[1:] else THIN
    if step == 1:
        expected = arrays["eval_id"][:, rows, columns].T
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        assert relative_error(found.embeddings[nearest], expected) <= 1e-3
    grid = step * np.indices(arrays["eval_id"].shape[1:]).reshape(2, -1)[::-1].T  # x and y of cells
    embeddings = predictor.embed(image, np.concatenate([4 * grid - 7, 4 * grid + 9], axis=1).astype(np.float64))
    expected = arrays["eval_id"].reshape(len(arrays["eval_id"]), -1).T
    assert relative_error(embeddings, expected / np.linalg.norm(expected, axis=1, keepdims=True)) <= 1e-3


@pytest.mark.parametrize("heads", ["dense", "sparse"])
def test_predictor_with_reference_weights_equals_reference(heads):
    check_network(FIXTURES, "dla_34", heads)


@pytest.mark.dataset
@pytest.mark.parametrize("heads", ["dense", "sparse"])
@pytest.mark.parametrize("architecture", ["dla_34", "yolo"])
def test_predictor_of_each_architecture_equals_reference(architecture, heads):
    if not (REFERENCE / f"{architecture}.npz").is_file():
        pytest.skip(f"needs {REFERENCE / architecture}.npz")
    check_network(REFERENCE, architecture, heads)
