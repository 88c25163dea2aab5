import io
from pathlib import Path

import numpy as np
import pytest
import tracking_preview as preview
from PIL import Image

from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.formats.checkpoint import write_checkpoint
from fairmot.formats.images import write_image
from fairmot.models.build import build_model
from fairmot.structures.frame import Frame
from fairmot.structures.tracks import Tracks
from fairmot.utils.errors import InputError

SLIM = "MODEL: {WIDTH: 0.125, HEAD_CHANNELS: 8, REID_DIM: 4, HEATMAP_BIAS: 0.5}\nINPUT: {SIZE_HW: [32, 64]}\n"


def noise(height=30, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def one_track(left):
    one = np.ones(1, dtype=np.int64)
    return Tracks(one, np.array([[left, 10.0, 20, 40]]), np.ones(1), 0 * one, 0 * one)


@pytest.fixture
def sequence(tmp_path):
    """Write a sequence of five frames, a configuration and a network; return the options that name them."""
    for number in range(1, 6):
        write_image(tmp_path / "street" / "img1" / f"{number:06d}.png", noise(seed=number))
    config = tmp_path / "slim.yaml"
    config.write_text(SLIM)
    cfg = load_cfg(config)
    write_checkpoint(tmp_path / "best.pt", {"model": build_model(cfg).state_dict(), "cfg": cfg_to_dict(cfg)})
    places = {"--config": config, "--weights": tmp_path / "best.pt", "--input": tmp_path / "street"}
    return [str(item) for pair in places.items() for item in pair]


def test_every_second_frame_is_drawn_with_the_trail_of_all():
    tracked = [(Frame(n, np.zeros((100, 200, 3), np.uint8)), one_track(20.0 * n)) for n in range(1, 6)]
    images = list(preview.draw_frames(tracked, preview.Look(width=100, step=2)))
    assert [image.shape for image in images] == [(50, 100, 3)] * 3
    feet = [np.flatnonzero(image[25].any(axis=1)) for image in images]
    assert feet[0].max() < 25 < 50 < feet[2].max()
    assert feet[2].min() <= 15  # where the track stood in the first frame


def test_the_animation_is_the_best_that_fits():
    images = [noise(seed=seed) for seed in range(4)]
    large, quality = preview.encode_animation(images, frame_rate=10, kilobytes=1000)
    assert quality == max(preview.QUALITIES)
    with Image.open(io.BytesIO(large)) as found:
        assert (found.n_frames, found.size, found.info["loop"]) == (4, (60, 30), 0)
    limit = len(large) // 1000
    small, lower = preview.encode_animation(images, frame_rate=10, kilobytes=limit)
    assert len(small) < 1000 * limit
    assert lower < quality
    with pytest.raises(InputError, match="--kilobytes 0: 4 frames do not fit"):
        preview.encode_animation(images, frame_rate=10, kilobytes=0)


def test_a_sequence_becomes_an_animation(sequence, tmp_path, capsys):
    output = tmp_path / "images" / "tracking.webp"
    options = ["--output", str(output), "--first", "2", "--width", "64", "--step", "2"]
    assert preview.main([*sequence, *options, "TRACKER.MIN_AREA", "0"]) == 0
    assert f"{output}: 2 frames of 64x32" in capsys.readouterr().out
    with Image.open(output) as found:
        assert (found.n_frames, found.size) == (2, (64, 32))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(["--first", "0"], "count from 1"), (["--first", "9"], "5 images, none of them"), (["--step", "0"], "count from")],
)
def test_wrong_use_is_one_line(sequence, tmp_path, capsys, wrong, message):
    output = tmp_path / "tracking.webp"
    assert preview.main([*sequence, "--output", str(output), *wrong]) == 2
    assert message in capsys.readouterr().err
    assert not Path(output).exists()
