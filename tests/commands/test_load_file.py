"""Weights of `MODEL.WEIGHTS` and `--weights` on the command line."""

import hashlib

import numpy as np
import pytest
import torch

from fairmot.cli import main
from fairmot.commands.train.command import train
from fairmot.config.load import load_cfg
from fairmot.formats.images import write_image
from fairmot.models.build import build_model

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "16"]
SMALL = [*SLIM, "INPUT.SIZE_HW", "(64, 96)", "SOLVER.BATCH_SIZE", "1", "DATA.WORKERS", "0", "SOLVER.MAX_STEPS", "1"]
URL = "http://127.0.0.1:9/start.pth"  # no server


@pytest.fixture
def world(tmp_path):
    folder = tmp_path / "world" / "S"
    for number in (1, 2):
        write_image(folder / "img1" / f"{number:06d}.jpg", np.full((64, 96, 3), 40 * number, np.uint8))
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("".join(f"{n},{i},{10 * i},9,20,40,1,1,1\n" for n in (1, 2) for i in (1, 2)))
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=S\nseqLength=2\nframeRate=30\nimWidth=96\nimHeight=64\n")
    return folder.parent


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Initial weights in the cache of torch.hub, and their digest."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    path = tmp_path / "hub" / "checkpoints" / "start.pth"
    path.parent.mkdir(parents=True)
    torch.save(build_model(load_cfg(None, [*SLIM, "MODEL.REID_DIM", "32"])).state_dict(), path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_run_log_describes_the_initial_weights(world, start, tmp_path):
    path, digest = start
    options = ["DATA.ROOT", str(world), "OUTPUT", str(tmp_path / "run"), "DEVICE", "cpu", *SMALL]
    train(load_cfg(None, [*options, "MODEL.WEIGHTS", URL, "MODEL.WEIGHTS_SHA256", digest[:12]]))
    log = (tmp_path / "run" / "run.log").read_text()
    assert f"{path} ({path.stat().st_size:,} bytes, sha256 {digest})" in log
    assert "weights (ours): 394 loaded, 0 missing, 0 unexpected, 2 mismatched" in log
    assert "re-initialised: heads.embedding (file 32, network 16)" in log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.WEIGHTS_SHA256", "00000000ff"], "wrong content"),
        (["MODEL.WEIGHTS", "none.pth"], "none.pth: no such file"),
        (["MODEL.BACKBONE", "dla34"], "MODEL.BACKBONE: unknown 'dla34'"),
        (["MODEL.BACKBONE", "hrnet_18"], "another network's file"),
        (["MODEL.WEIGHTS", "http://127.0.0.1:9/other.pth"], "MODEL.WEIGHTS_SHA256"),
        (["MODEL.WEIGHTS", "http://127.0.0.1:9/other-00000000.pth"], "cannot be downloaded"),
        (["MODEL.WEIGHTS_SHA256", "xyz"], "MODEL.WEIGHTS_SHA256 = 'xyz' must be 8 to 64 hexadecimal digits"),
    ],
    ids=[
        "digest",
        "no file",
        "no network of that name",
        "another network",
        "no digest",
        "no connection",
        "no hexadecimal",
    ],
)
def test_invalid_weights_are_one_line_and_write_nothing(world, start, tmp_path, capsys, options, message):
    config = tmp_path / "c.yaml"
    config.write_text(f"MODEL: {{WEIGHTS: {start[0]}}}\n")
    output = tmp_path / "run"
    arguments = ["train", "--config", str(config), "--output", str(output), "DATA.ROOT", str(world), *SMALL]
    assert main([*arguments, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_track_reports_the_weights(world, start, tmp_path, capsys):
    path, digest = start
    output = tmp_path / "tracks"
    arguments = ["track", "--weights", str(path), "--input", str(world), "--output", str(output), "DEVICE", "cpu"]
    assert main([*arguments, *SMALL, "MODEL.REID_DIM", "32"]) == 0
    shown = capsys.readouterr().out
    assert f"sha256 {digest})" in shown
    assert "weights (ours): 396 loaded" in shown
    path.write_text("<html>")
    assert main([*arguments, *SMALL]) == 2
    assert "a web page" in capsys.readouterr().err
