"""The example of a training without a configuration runs and learns."""

import importlib.util
import math

import torch
from helpers.locations import ROOT


def test_plain_train_lowers_the_loss(tmp_path, capsys):
    path = ROOT / "examples" / "plain_train.py"
    assert len(path.read_text().splitlines()) <= 80
    spec = importlib.util.spec_from_file_location("plain_train", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    torch.manual_seed(0)
    example.INPUT_HW = (64, 96)
    dataset = example.make_dataset(tmp_path, frames=4)
    totals = example.train(dataset, steps=6, device=torch.device("cpu"))
    assert all(map(math.isfinite, totals))
    assert totals[-1] < totals[0]
    assert capsys.readouterr().out.count("total") == 6
