"""Small rendered worlds for the tests of training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fairmot.cli import main


@pytest.fixture(scope="session")
def render_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that renders `train`, two sequences, and `val` below one folder, of 90 x 120 pixels."""

    def render(*, frames: int, val_frames: int, val_sequences: int = 1) -> Path:
        root = tmp_path_factory.mktemp("world")
        for name, length, count, seed in (("train", frames, 2, 5), ("val", val_frames, val_sequences, 6)):
            options = ["--frames", str(length), "--sequences", str(count), "--seed", str(seed), "--size", "90x120"]
            assert main(["synthesize", "--output", str(root / name), *options]) == 0
        return root

    return render
