"""Checkpoints of sharded parameters: full tables, resumed by any number of ranks."""

import pytest
import torch
from helpers.distributed_steps import make_batch
from helpers.sharded_runs import IDENTITIES, new_state, run_all, run_by, train

from fairmot.engine.task_gradients import choose_trainer
from fairmot.engine.trainer import TrainOptions
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.structures.batch import Batch
from fairmot.utils.distributed import Distributed

NAMES = ("identity.classifier.weight", "identity.classifier.bias")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder, kept = tmp_path_factory.mktemp("runs"), torch.get_default_dtype()
    try:
        run_all(0, 1, "", folder)
        run_by(2, folder)
        (folder / "resumed by 1").mkdir(exist_ok=True)
        train(Distributed(), folder / "resumed by 1", epochs=2, resume=folder / "half by 2" / "last.pt")
    finally:
        torch.set_default_dtype(kept)
    return folder


def learnt(path):
    saved = read_checkpoint(path)
    return {"model": saved["model"], "criterion": saved["criterion"], "moments": saved["optimizer"]["state"]}


@pytest.mark.parametrize("name", ["whole", "half"])
def test_two_ranks_write_the_checkpoint_of_one(root, name):
    one, two = (learnt(root / f"{name} by {size}" / "last.pt") for size in (1, 2))
    assert one["criterion"][NAMES[0]].shape == (IDENTITIES, 8)
    moments = [state["exp_avg"] for state in one["moments"].values()]
    assert any(value.shape == (IDENTITIES, 8) and bool(value.any()) for value in moments)
    torch.testing.assert_close(two, one, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2])
def test_resume_with_another_number_of_ranks_is_exact(root, size):
    """Two ranks resume the run of one, and the other way round."""
    half, whole, resumed = (
        learnt(root / name / "last.pt") for name in ("half by 1", "whole by 1", f"resumed by {size}")
    )
    torch.testing.assert_close(resumed, whole, rtol=1e-7, atol=1e-9)
    for name in NAMES:
        assert not torch.equal(whole["criterion"][name], half["criterion"][name])


def test_best_checkpoint_has_full_tables(root):
    saved = read_checkpoint(root / "whole by 2" / "best.pt")
    assert saved["progress"]["step"] == 4
    last = read_checkpoint(root / "whole by 2" / "last.pt")
    for name in NAMES:
        assert torch.equal(saved["criterion"][name], last["criterion"][name])


@pytest.mark.parametrize("size", [1, 2])
def test_exception_saves_only_if_no_rank_must_wait(root, size):
    """One rank saves its consistent state; two may have stopped at different steps and keep the last checkpoint."""
    assert read_checkpoint(root / f"broken by {size}" / "last.pt")["progress"]["step"] == {1: 3, 2: 2}[size]


def test_classifier_of_other_size_is_refused_by_name():
    other = new_state(Distributed(), identities=IDENTITIES + 2).state_dict()
    with pytest.raises(ValueError, match=r"identity\.classifier\.\w+ has 7 rows, expected 5"):
        new_state(Distributed()).load_state_dict(other)


@pytest.mark.parametrize("balance", ["uncertainty", "fixed", "gradnorm", "mgda_ub", "pcgrad"])
@pytest.mark.parametrize("nested", ["()", "(2, 5)"])
def test_every_weighting_trains_sampled_rows(balance, nested):
    world = Distributed()
    state = new_state(world, overrides=("LOSS.BALANCE", balance, "MODEL.REID_NESTED", nested), dtype=torch.float32)
    before = {name: value.clone() for name, value in state.criterion.identity.state_dict().items()}
    options = TrainOptions(epochs=1, clip_norm=5.0, accumulation_steps=2, fairness_interval=1)
    trainer = choose_trainer(state, options, device=torch.device("cpu"), world=world)
    batch = make_batch()
    batch = Batch(*(v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in batch))
    terms = [float(trainer.train_step(batch).terms.identity) for _ in range(8)]
    assert terms[-1] < terms[0]
    for name, value in state.criterion.identity.state_dict().items():
        assert not torch.equal(value, before[name]), name


def test_single_rank_saves_tensors_without_copy():
    state = new_state(Distributed())
    assert not state.is_sharded
    assert state.state_dict()["criterion"][NAMES[0]].data_ptr() == state.criterion.identity.classifier.weight.data_ptr()
