"""Every key is read, and each builder reads only its own sections: shown by a configuration that records reads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.locations import ROOT

from fairmot.config.defaults import KEYS
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.build import build_train_dataset, build_train_loader
from fairmot.engine.build import build_predictor, build_train_options
from fairmot.evaluation.build import build_evaluator
from fairmot.formats.images import write_image
from fairmot.losses.build import build_criterion
from fairmot.models.build import build_model
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.tracking.build import build_camera_motion, build_filters, build_postprocess, build_tracker
from fairmot.video.build import live_options

EMBEDDING = {"MODEL.REID_DIM", "MODEL.REID_NESTED", "MODEL.REID_SAMPLING"}
READ_BY_LOADING = {"TRACKER.PRESET"}  # see test_load.py
COMMANDS = ROOT / "fairmot" / "commands"


class Recorder:
    """Configuration that records the full name of each value that is read."""

    def __init__(self, node: CfgNode, names: set[str], prefix: str = "") -> None:
        self._node, self._names, self._prefix = node, names, prefix

    def __getattr__(self, key: str) -> Any:
        value = self._node[key]
        if self._prefix or not isinstance(value, CfgNode):  # DATA.SETS counts as a key
            self._names.add(f"{self._prefix}{key}")
        if isinstance(value, CfgNode):
            return Recorder(value, self._names, f"{self._prefix}{key}.")
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "S"
    write_image(folder / "img1" / "000001.jpg", np.zeros((64, 96, 3), np.uint8))
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n")
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=S\nseqLength=1\nframeRate=30\nimWidth=96\nimHeight=64\n")
    return folder.parent


def read_by(build: Callable[[Any], object], world: Path) -> set[str]:
    names: set[str] = set()
    overrides = [
        "MODEL.WIDTH",
        "0.125",
        "DATA.ROOT",
        str(world),
        "TRACKER.OCR",
        "True",
        "TRACKER.CAMERA_MOTION",
        "flow",
    ]
    build(Recorder(load_cfg(None, overrides), names))
    return names


def _optimize(cfg: Any) -> None:
    optimizer = build_optimizer(cfg, model=torch.nn.Linear(2, 2), criterion=torch.nn.Linear(2, 2))
    build_schedule(cfg, optimizer, steps_per_epoch=3)


def _load(cfg: Any) -> None:
    build_train_loader(cfg, build_train_dataset(cfg))


BUILDERS: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "model": (build_model, {"MODEL"}),
    "criterion": (lambda cfg: build_criterion(cfg, num_identities=3), {"LOSS", *EMBEDDING}),
    "optimizer": (_optimize, {"SOLVER"}),
    "training": (build_train_options, {"SOLVER", "DATA.PREFETCH"}),
    "data": (
        _load,
        {"DATA", "AUGMENT", "INPUT", "SEED", "SOLVER.BATCH_SIZE", "SOLVER.ACCUMULATION_STEPS", "MODEL.NUM_CLASSES"},
    ),
    "predictor": (
        lambda cfg: build_predictor(cfg, torch.nn.Identity(), device=torch.device("cpu")),  # type: ignore[arg-type]
        {"INPUT", "PREDICT", *EMBEDDING},
    ),
    "tracker": (build_tracker, {"TRACKER"}),
    "filters": (build_filters, {"TRACKER"}),
    "camera": (build_camera_motion, {"TRACKER"}),
    "refiner": (build_postprocess, {"TRACKER"}),
    "source": (live_options, {"SOURCE"}),
    "evaluator": (build_evaluator, {"EVAL", "DATA.CLASSES"}),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_reads_only_its_own_sections(name: str, world: Path) -> None:
    build, allowed = BUILDERS[name]
    read = read_by(build, world)
    assert read
    assert not {key for key in read if key not in allowed and key.split(".")[0] not in allowed}


def test_key_is_read_by_a_builder_or_a_command(world: Path) -> None:
    read = set().union(*(read_by(build, world) for build, _ in BUILDERS.values()))
    texts = [path.read_text(encoding="utf-8") for path in COMMANDS.rglob("*.py")]
    for name in {*KEYS, "DATA.SETS"} - read:
        section, _, key = name.rpartition(".")
        if any(re.search(rf"\bcfg\.{section}\b", text) and re.search(rf"\.{key}\b", text) for text in texts):
            read.add(name)
    assert {*KEYS, "DATA.SETS"} - read - READ_BY_LOADING == set()
