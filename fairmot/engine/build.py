"""Builders of the predictor and of the training options from the configuration."""

import torch
from torch import nn

from fairmot.config.node import CfgNode
from fairmot.engine.predictor import HeadOptions, Predictor
from fairmot.engine.trainer import TrainOptions
from fairmot.geometry.letterbox import round_up_hw


def build_predictor(cfg: CfgNode, model: nn.Module, *, device: torch.device) -> Predictor:
    """Return a predictor of `model` by INPUT, PREDICT and MODEL.REID_SAMPLING."""
    return Predictor(
        model,
        input_hw=round_up_hw(cfg.INPUT.SIZE_HW),
        device=device,
        top_k=cfg.PREDICT.TOP_K,
        min_score=cfg.PREDICT.MIN_SCORE,
        undo=cfg.INPUT.UNDO,
        head_options=HeadOptions(
            heads=cfg.PREDICT.HEADS, sampling=cfg.MODEL.REID_SAMPLING, prefix=cfg.PREDICT.REID_PREFIX
        ),
    )


def build_train_options(cfg: CfgNode) -> TrainOptions:
    """Return the training options by SOLVER and DATA.PREFETCH."""
    return TrainOptions(
        epochs=cfg.SOLVER.EPOCHS,
        max_steps=cfg.SOLVER.MAX_STEPS,
        clip_norm=cfg.SOLVER.CLIP_NORM,
        accumulation_steps=cfg.SOLVER.ACCUMULATION_STEPS,
        precision=cfg.SOLVER.PRECISION,
        compiled=cfg.SOLVER.COMPILE,
        prefetch=cfg.DATA.PREFETCH,
        max_nonfinite_steps=cfg.SOLVER.MAX_NONFINITE_STEPS,
        fairness_interval=cfg.SOLVER.FAIRNESS_EVERY,
    )
