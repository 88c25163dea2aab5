"""Predictor: boxes for any image size, head evaluation, embedding sampling."""

import numpy as np
import pytest
import torch
from torch import nn

from fairmot.codec.embedding_sampling import SAMPLERS
from fairmot.config.load import load_cfg
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import HeadOptions, Predictor
from fairmot.models.architectures import BACKBONES
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.structures.outputs import HeadOutputs
from fairmot.utils.errors import InputError

CPU = torch.device("cpu")
HEADS = ["sparse", "dense"]
SAMPLINGS = list(SAMPLERS)


class OnePeak(nn.Module):
    """Detects one object of 8 x 16 cells, centred at cell (10.5, 6.25) of a 16 x 24 map."""

    def __init__(self, score=0.9):
        super().__init__()
        self.logit = float(np.log(score / (1 - score)))

    def forward(self, images):
        self.images = images
        heat = torch.full((1, 1, 16, 24), -9.0)
        heat[0, 0, 6, 10] = self.logit
        size = torch.tensor([4.0, 8.0, 4.0, 8.0]).view(1, 4, 1, 1).expand(1, 4, 16, 24)
        offset = torch.tensor([0.5, 0.25]).view(1, 2, 1, 1).expand(1, 2, 16, 24)
        embedding = torch.full((1, 3, 16, 24), 2.0)
        return HeadOutputs(heat, size, offset, embedding)


def test_known_maps_give_boxes_scores_and_unit_embeddings():
    predictor = Predictor(OnePeak(), input_hw=(64, 96), device=CPU, undo="exact")
    detections = predictor(np.full((64, 96, 3), 255, dtype=np.uint8))
    np.testing.assert_allclose(detections.boxes_xyxy, [[26.0, -7.0, 58.0, 57.0]], atol=1e-4)
    np.testing.assert_allclose(detections.scores, [0.9], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(detections.embeddings, axis=1), 1.0, atol=1e-6)
    assert float(predictor.model.images.max()) == 1.0


@pytest.mark.parametrize("undo", ["exact", "published"])
def test_boxes_are_mapped_to_an_image_of_another_size(undo):
    predictor = Predictor(OnePeak(), input_hw=(64, 96), device=CPU, undo=undo)
    box = predictor(np.zeros((128, 384, 3), dtype=np.uint8)).boxes_xyxy[0]
    np.testing.assert_allclose(box, [104.0, -92.0, 232.0, 164.0], atol=1.0)


def test_peaks_below_min_score_are_dropped():
    predictor = Predictor(OnePeak(score=0.05), input_hw=(64, 96), device=CPU, min_score=0.1)
    detections = predictor(np.zeros((64, 96, 3), dtype=np.uint8))
    assert len(detections) == 0
    assert detections.embeddings.shape == (0, 3)


def test_built_predictor_rounds_the_input_size_up():
    predictor = build_predictor(load_cfg(None, ["INPUT.SIZE_HW", "(50, 90)"]), OnePeak(), device=CPU)
    assert predictor.input_hw == (64, 96)
    assert not predictor.model.training


def random_image(height=120, width=170):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def slim(backbone="dla_34"):
    """A small network with boxes of some cells and centres anywhere in theirs, so that samplings differ."""
    torch.manual_seed(0)
    sizes = ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "16", "MODEL.REID_DIM", "8"]
    model = build_model(load_cfg(None, [*sizes, "MODEL.BACKBONE", backbone]))
    with torch.no_grad():
        model.heads["size_ltrb"][2].bias += 2.5
        model.heads["offset"][2].bias += 0.4
    return model


def predictor_of(model, *, input_hw=(64, 96), undo="published", **options):
    return Predictor(
        model, input_hw=input_hw, device=CPU, min_score=0.0, top_k=40, undo=undo, head_options=HeadOptions(**options)
    )


def assert_same(found, expected):
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-4)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("input_hw", [(64, 96), (100, 150)], ids=["multiple of 32", "any size"])
def test_sparse_heads_give_the_detections_of_dense_heads(input_hw, sampling):
    model = slim()
    peaks, dense = (
        predictor_of(model, input_hw=input_hw, heads=heads, sampling=sampling)(random_image()) for heads in HEADS
    )
    assert len(peaks) > 5
    assert_same(peaks, dense)
    np.testing.assert_allclose(peaks.embeddings, dense.embeddings, atol=1e-5)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_sampling_changes_only_embeddings(backbone):
    model = slim(backbone)
    for heads in HEADS:
        found = {how: predictor_of(model, heads=heads, sampling=how)(random_image()) for how in SAMPLINGS}
        for how in SAMPLINGS:
            assert_same(found[how], found["center"])
            np.testing.assert_allclose(np.linalg.norm(found[how].embeddings, axis=1), 1.0, atol=1e-5)
        np.testing.assert_array_equal(found["pos_anchor"].embeddings, found["center"].embeddings)
        for one, other in (("center", "center_bi"), ("center_bi", "roi_align"), ("center", "roi_align")):
            assert np.abs(found[one].embeddings - found[other].embeddings).max() > 1e-3


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("heads", HEADS)
def test_prefix_gives_the_normalised_first_values(heads, sampling):
    model = slim()
    full, part = (predictor_of(model, heads=heads, sampling=sampling, prefix=n)(random_image()) for n in (0, 3))
    assert (full.embeddings.shape[1], part.embeddings.shape[1]) == (8, 3)
    first = full.embeddings[:, :3]
    np.testing.assert_allclose(part.embeddings, first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-5)
    assert_same(part, full)


def test_built_predictor_has_the_configured_head_options():
    keys = ["MODEL.REID_SAMPLING", "roi_align", "PREDICT.REID_PREFIX", "16", "PREDICT.HEADS", "dense"]
    predictor = build_predictor(load_cfg(None, keys), OnePeak(), device=CPU)
    assert predictor.head_options == HeadOptions(heads="dense", sampling="roi_align", prefix=16)


def test_prefix_longer_than_the_embedding_raises():
    sizes = ["MODEL.REID_DIM", "16", "MODEL.REID_NESTED", "(32,8)"]
    assert build_predictor(load_cfg(None, [*sizes, "PREDICT.REID_PREFIX", "32"]), OnePeak(), device=CPU)
    with pytest.raises(InputError, match=r"PREDICT\.REID_PREFIX = 33 exceeds the embedding dimension 32"):
        load_cfg(None, [*sizes, "PREDICT.REID_PREFIX", "33"])


class PositionEmbeddings(nn.Module):
    """Each cell's embedding is its own column and row, counted from 1."""

    def forward(self, images):
        cells = (images.shape[-2] // 4, images.shape[-1] // 4)
        rows, columns = torch.meshgrid(*(torch.arange(1.0, count + 1) for count in cells), indexing="ij")
        maps = (torch.zeros(1, count, *cells) for count in (1, 4, 2))
        return HeadOutputs(*maps, torch.stack([columns, rows])[None])


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("center", [[26, 21], [1, 13]]),
        ("center_bi", [[26.25, 21.25], [1, 13.75]]),
        ("roi_align", [[26.25, 21.25], [3.5, 13.75]]),
        ("pos_anchor", [[26, 21], [1, 13]]),
    ],
)
def test_embed_samples_at_the_given_box(sampling, expected):
    """An image of half the input size: centre (50.5, 40.5) is at input pixel (101, 81), cell 25.25 and 20.25.

    The second box's middle is left of the image and clipped; the part of it in the image ends at cell 5.
    """
    boxes = np.array([[40.5, 20.5, 60.5, 60.5], [-40, 20, 10, 31]])
    read = predictor_of(PositionEmbeddings(), input_hw=(128, 192), sampling=sampling).embed(
        np.zeros((64, 96, 3), np.uint8), boxes
    )
    expected = np.array(expected, dtype=float)
    np.testing.assert_allclose(read, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_sparse_heads_embed_boxes_as_dense_heads(sampling):
    model, boxes = slim(), np.array([[10, 10, 40, 80], [-20, 30, 15, 60], [150, 90, 300, 200], [5, 5, 5, 5]])
    peaks, dense = (
        predictor_of(model, heads=heads, sampling=sampling, prefix=5).embed(random_image(), boxes) for heads in HEADS
    )
    assert peaks.shape == (4, 5)
    np.testing.assert_allclose(np.linalg.norm(peaks, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(peaks, dense, atol=1e-5)


def test_embed_at_detected_boxes_equals_the_detections():
    predictor = predictor_of(slim(), undo="exact", heads="sparse", sampling="roi_align")
    found = predictor(random_image())
    np.testing.assert_allclose(predictor.embed(random_image(), found.boxes_xyxy), found.embeddings, atol=1e-4)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("heads", HEADS)
def test_embed_of_no_boxes_is_empty(heads, sampling):
    predictor = predictor_of(slim(), heads=heads, sampling=sampling)
    assert predictor.embed(random_image(), np.zeros((0, 4))).shape == (0, 8)


@pytest.mark.gpu
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("heads", HEADS)
def test_gpu_detections_equal_cpu_detections(heads, sampling, monkeypatch):
    """Without TF32, whose convolutions are good to three digits."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    model = build_model(load_cfg(None, ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "16"]))
    head_options = HeadOptions(heads=heads, sampling=sampling)
    boxes = np.array([[10, 10, 40, 80], [-20, 30, 15, 60]])
    found, embedded = [], []
    for name in ("cpu", "cuda"):
        prepared, device = prepare_for_inference(model.to(name)), torch.device(name)
        predictor = Predictor(prepared, input_hw=(96, 160), device=device, head_options=head_options)
        found.append(predictor(random_image()))
        embedded.append(predictor.embed(random_image(), boxes))
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=1e-4)
    np.testing.assert_allclose(found[0].boxes_xyxy, found[1].boxes_xyxy, atol=1e-2)
    np.testing.assert_allclose(embedded[0], embedded[1], atol=1e-3)


@pytest.mark.parametrize("input_hw", [(100, 150), (33, 47), (64, 96)])
def test_exact_undo_works_for_any_input_size(input_hw):
    """The network detects one known box on a map of a quarter of the input size, rounded up."""

    class KnownBox(nn.Module):
        def forward(self, images):
            cells = (-(-images.shape[-2] // 4), -(-images.shape[-1] // 4))
            heat = torch.full((1, 1, *cells), -9.0)
            heat[0, 0, 3, 5] = 3.0
            size = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1).expand(1, 4, *cells)
            return HeadOutputs(heat, size, torch.full((1, 2, *cells), 0.5), torch.ones(1, 3, *cells))

    image_hw = (2 * input_hw[0], 2 * input_hw[1])
    found = Predictor(KnownBox(), input_hw=input_hw, device=CPU, undo="exact")(np.zeros((*image_hw, 3), dtype=np.uint8))
    expected = [[2 * 4 * (5.5 - 1), 2 * 4 * (3.5 - 2), 2 * 4 * (5.5 + 3), 2 * 4 * (3.5 + 4)]]
    np.testing.assert_allclose(found.boxes_xyxy, expected, atol=1e-4)
