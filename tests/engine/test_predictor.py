"""Image -> detections: boxes land where the network saw them, whatever the image's size."""

import numpy as np
import pytest
import torch
from torch import nn

from fairmot.config.load import load_cfg
from fairmot.engine.build import build_predictor
from fairmot.engine.predictor import Predictor
from fairmot.models.build import build_model
from fairmot.models.inference import prepare_for_inference
from fairmot.structures.outputs import HeadOutputs

CPU = torch.device("cpu")


class OnePeak(nn.Module):
    """Sees one object, 8 x 16 cells, centred at cell (10.5, 6.25) of a 16 x 24 map."""

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


def test_boxes_scores_and_unit_embeddings():
    predictor = Predictor(OnePeak(), input_hw=(64, 96), device=CPU, undo="exact")
    detections = predictor(np.full((64, 96, 3), 255, dtype=np.uint8))
    np.testing.assert_allclose(detections.boxes_xyxy, [[26.0, -7.0, 58.0, 57.0]], atol=1e-4)
    np.testing.assert_allclose(detections.scores, [0.9], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(detections.embeddings, axis=1), 1.0, atol=1e-6)
    assert float(predictor.model.images.max()) == 1.0


@pytest.mark.parametrize("undo", ["exact", "published"])
def test_boxes_return_to_an_image_of_another_size(undo):
    predictor = Predictor(OnePeak(), input_hw=(64, 96), device=CPU, undo=undo)
    box = predictor(np.zeros((128, 384, 3), dtype=np.uint8)).boxes_xyxy[0]
    np.testing.assert_allclose(box, [104.0, -92.0, 232.0, 164.0], atol=1.0)


def test_peaks_below_the_threshold_stay_inside():
    predictor = Predictor(OnePeak(score=0.05), input_hw=(64, 96), device=CPU, min_score=0.1)
    detections = predictor(np.zeros((64, 96, 3), dtype=np.uint8))
    assert len(detections) == 0
    assert detections.embeddings.shape == (0, 3)


def test_the_built_predictor_pads_the_input_to_what_the_network_takes():
    predictor = build_predictor(load_cfg(None, ["INPUT.SIZE_HW", "(50, 90)"]), OnePeak(), device=CPU)
    assert predictor.input_hw == (64, 96)
    assert not predictor.model.training


@pytest.mark.parametrize("input_hw", [(64, 96), (100, 150)], ids=["halved five times", "any size"])
def test_heads_at_peaks_give_the_detections_of_dense_heads(input_hw):
    torch.manual_seed(0)
    cfg = load_cfg(None, ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "16", "MODEL.REID_DIM", "8"])
    model = build_model(cfg)
    image = np.random.default_rng(0).integers(0, 255, (120, 170, 3), dtype=np.uint8)
    found = [
        Predictor(model, input_hw=input_hw, device=CPU, min_score=0.0, top_k=40, heads=heads)(image)
        for heads in ("peaks", "dense")
    ]
    assert len(found[0]) > 5
    np.testing.assert_array_equal(found[0].scores, found[1].scores)
    np.testing.assert_allclose(found[0].boxes_xyxy, found[1].boxes_xyxy, atol=1e-4)
    np.testing.assert_allclose(found[0].embeddings, found[1].embeddings, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("heads", ["peaks", "dense"])
def test_a_gpu_finds_what_a_cpu_finds(heads, monkeypatch):
    """Without TF32, whose convolutions are good to three digits."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    model = build_model(load_cfg(None, ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "16"]))
    image = np.random.default_rng(0).integers(0, 255, (120, 170, 3), dtype=np.uint8)
    found = [
        Predictor(prepare_for_inference(model.to(name)), input_hw=(96, 160), device=torch.device(name), heads=heads)(
            image
        )
        for name in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=1e-4)
    np.testing.assert_allclose(found[0].boxes_xyxy, found[1].boxes_xyxy, atol=1e-2)


@pytest.mark.parametrize("input_hw", [(100, 150), (33, 47), (64, 96)])
def test_boxes_of_any_input_size_return_exactly(input_hw):
    """A network that sees one known box in cells of four pixels, on a map of a quarter rounded up."""

    class Sees(nn.Module):
        def forward(self, images):
            cells = (-(-images.shape[-2] // 4), -(-images.shape[-1] // 4))
            heat = torch.full((1, 1, *cells), -9.0)
            heat[0, 0, 3, 5] = 3.0
            size = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1).expand(1, 4, *cells)
            return HeadOutputs(heat, size, torch.full((1, 2, *cells), 0.5), torch.ones(1, 3, *cells))

    image_hw = (2 * input_hw[0], 2 * input_hw[1])
    found = Predictor(Sees(), input_hw=input_hw, device=CPU, undo="exact")(np.zeros((*image_hw, 3), dtype=np.uint8))
    expected = [[2 * 4 * (5.5 - 1), 2 * 4 * (3.5 - 2), 2 * 4 * (5.5 + 3), 2 * 4 * (3.5 + 4)]]
    np.testing.assert_allclose(found.boxes_xyxy, expected, atol=1e-4)
