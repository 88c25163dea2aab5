import pytest
import reid_on_hard as script
import torch
from helpers.locations import ROOT

from fairmot.cli import main
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model

CONFIG = ROOT / "configs" / "synthetic_hard.yaml"
TINY = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8", "INPUT.SIZE_HW", "(64,96)"]


def test_reid_on_hard_untrained_network_fails(tmp_path, capsys):
    torch.manual_seed(0)
    weights = tmp_path / "untrained.pt"
    torch.save(build_model(load_cfg(CONFIG, TINY)).state_dict(), weights)
    argv = ["--config", str(CONFIG), "--weights", str(weights), "--work", str(tmp_path / "work")]
    assert script.main([*argv, "--seeds", "1", "--frames", "12", "--preset", "easy", *TINY]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["SYN-easy-9001", "mean"]


@pytest.mark.slow
@pytest.mark.e2e
def test_reid_on_hard_trained_network_passes(tmp_path):
    """With the checkpoint of docs/synthetic.md, or one trained here from the quickstart's."""
    weights = ROOT / "runs" / "synthetic_hard" / "train" / "last.pt"
    start = ROOT / "runs" / "quickstart" / "train" / "last.pt"
    if not weights.is_file():
        if not start.is_file():
            pytest.skip("needs the quickstart's checkpoint: run scripts/quickstart.sh first")
        data, output = tmp_path / "data", tmp_path / "run"
        world = ["--preset", "hard", "--sequences", "16", "--frames", "40", "--fps", "10"]
        assert main(["synthesize", "--output", str(data), *world]) == 0
        options = ["DATA.ROOT", str(data), "MODEL.WEIGHTS", str(start)]
        assert main(["train", "--config", str(CONFIG), "--output", str(output), *options]) == 0
        weights = output / "last.pt"
    assert script.main(["--config", str(CONFIG), "--weights", str(weights)]) == 0
