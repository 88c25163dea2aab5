"""Two processes with two images each make the same steps as one process with four."""

import subprocess
import sys

import pytest
import torch
from helpers.distributed_steps import STEPS, VARIANTS, run_all
from helpers.locations import ROOT

SCRIPT = ROOT / "tests" / "helpers" / "distributed_steps.py"


def by_two(folder, *arguments):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, str(SCRIPT), str(folder), *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def by_one(folder, *arguments):
    kept = torch.get_default_dtype()
    try:
        run_all(folder, *arguments)
    finally:
        torch.set_default_dtype(kept)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    by_one(one)
    by_two(two)
    return one, two


def compare(folders, name):
    one, two = (torch.load(folder / f"{name}.pt") for folder in folders)
    assert one["terms"].shape == (STEPS, 5)
    for part in ("terms", "fairness"):
        torch.testing.assert_close(two[part], one[part], rtol=1e-5, atol=1e-5)
    for part in ("model", "criterion", "average"):
        for key, value in one[part].items():
            torch.testing.assert_close(
                two[part][key], value, rtol=1e-5, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
            )
    return one


@pytest.mark.parametrize("name", VARIANTS)
def test_two_ranks_make_the_steps_of_one(folders, name):
    one = compare(folders, name)
    heatmap = one["terms"][:, 1]
    assert abs(float(heatmap[-1] - heatmap[0])) > 0.1  # the steps were no small ones


def test_pcgrad_changes_steps_with_conflicting_gradients(folders):
    with_it, without = (torch.load(folders[0] / f"{name}.pt") for name in ("pcgrad", "no pcgrad"))
    assert float(with_it["fairness"][0, 0]) < -0.5
    differences = [(with_it["model"][key] - value).abs().max() for key, value in without["model"].items()]
    assert float(max(differences)) > 1e-3


@pytest.mark.parametrize("name", ["adam", "gradnorm", "pcgrad"])
def test_accumulation_equals_one_pass(folders, name):
    whole, parts = (torch.load(folders[0] / f"{name}{cut}.pt") for cut in ("", " in two parts"))
    for part in ("terms", "fairness"):
        torch.testing.assert_close(parts[part], whole[part], rtol=1e-9, atol=1e-9)
    for key, value in whole["model"].items():
        torch.testing.assert_close(parts["model"][key], value, rtol=1e-9, atol=1e-9)


@pytest.mark.gpu
def test_synchronised_batch_norms_equal_one_rank(tmp_path):
    """Two processes on one GPU, joined by gloo."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    by_one(one, "cuda", "batch")
    by_two(two, "cuda", "sync")
    for name in ("sgd", "adam"):
        compare((one, two), name)
