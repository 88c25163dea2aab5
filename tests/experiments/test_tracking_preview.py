import numpy as np
import tracking_preview as script
from PIL import Image

from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.formats.checkpoint import write_checkpoint
from fairmot.formats.images import write_image
from fairmot.models.build import build_model


def test_tracking_preview_writes_an_animation(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(1, 6):
        image = rng.integers(0, 256, (30, 60, 3), dtype=np.uint8)
        write_image(tmp_path / "street" / "img1" / f"{number:06d}.png", image)
    config, weights, output = (tmp_path / name for name in ("slim.yaml", "best.pt", "tracking.webp"))
    config.write_text("MODEL: {WIDTH: 0.125, HEAD_CHANNELS: 8, REID_DIM: 4}\nINPUT: {SIZE_HW: [32, 64]}\n")
    cfg = load_cfg(config)
    write_checkpoint(weights, {"model": build_model(cfg).state_dict(), "cfg": cfg_to_dict(cfg), "format": 1})
    argv = ["--config", str(config), "--weights", str(weights), "--input", str(tmp_path / "street")]
    assert script.main([*argv, "--output", str(output), "--first", "2", "--width", "64", "--step", "2"]) == 0
    with Image.open(output) as animation:
        assert (animation.n_frames, animation.size) == (2, (64, 32))
