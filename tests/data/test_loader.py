"""Tests of the training loader: equal batches for any workers, ranks and resume point; worker failures."""

import os
import signal

import pytest
import torch
from helpers.small_sequences import index_samples, make_sequence, walkers

from fairmot.data.augment.affine import AugmentOptions
from fairmot.data.joint_dataset import JointDataset
from fairmot.data.loader import TrainLoader, _death_cause, _init_worker
from fairmot.data.sampler import EpochSampler
from fairmot.utils.errors import InputError


@pytest.fixture
def dataset(tmp_path):
    folders = [
        make_sequence(tmp_path, "S1", walkers((1, 2), 4), frames=4),
        make_sequence(tmp_path, "S2", walkers((1,), 5), frames=5),
    ]
    return JointDataset(index_samples(folders), input_hw=(64, 96), augment=AugmentOptions(), seed=11)


def loader(dataset, workers=0, **sampling):
    return TrainLoader(dataset, EpochSampler(len(dataset), 2, 11, **sampling), workers=workers)


def equal(one, other):
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def all_equal(batches, others):
    return len(batches) == len(others) > 0 and all(map(equal, batches, others))


def test_loader_workers_and_resume_give_equal_batches(dataset):
    serial, parallel = loader(dataset), loader(dataset, workers=2)
    assert len(serial) == 4
    for epoch in (0, 1):
        expected = list(serial.epoch(epoch))
        assert all_equal(expected, list(parallel.epoch(epoch)))
        assert all_equal(expected[3:], list(parallel.epoch(epoch, start_batch=3)))
        assert all_equal(expected[1:], list(serial.epoch(epoch, start_batch=1)))
    assert list(parallel.epoch(1, start_batch=4)) == []


def test_unfinished_epoch_does_not_change_next(dataset):
    for workers in (0, 2):
        loading = loader(dataset, workers=workers)
        next(loading.epoch(0))
        assert all_equal(list(loading.epoch(1)), list(loader(dataset).epoch(1)))


def test_epochs_differ(dataset):
    loading = loader(dataset)
    assert not equal(next(loading.epoch(0)), next(loading.epoch(1)))


def test_ranks_load_shards_of_one_batch(dataset):
    full = next(loader(dataset).epoch(0))
    shards = [next(loader(dataset, rank=rank, world_size=2).epoch(0)) for rank in (0, 1)]
    for rank, shard in enumerate(shards):
        assert torch.equal(shard.images_B3HW[0], full.images_B3HW[rank])
        assert shard.image_paths == full.image_paths[rank : rank + 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_image_raises_in_any_process(dataset, workers):
    dataset.samples[0].image_path.write_text("no image")
    loading = TrainLoader(dataset, EpochSampler(len(dataset), len(dataset)), workers=workers)
    with pytest.raises(InputError) as raised:
        next(loading.epoch(0))
    assert str(raised.value).endswith("000001.png: not an image that OpenCV can decode")


def test_global_random_numbers_are_left_alone(dataset):
    state = torch.get_rng_state()
    list(loader(dataset, workers=1).epoch(0))
    list(loader(dataset).epoch(0))
    assert torch.equal(torch.get_rng_state(), state)


def test_close_stops_workers_and_is_idempotent(dataset):
    loading = loader(dataset, workers=1)
    next(loading.epoch(0))
    workers = loading._loader._iterator._workers
    loading.close()
    loading.close()
    assert not any(worker.is_alive() for worker in workers)
    loader(dataset).close()


def test_workers_have_own_process_groups(dataset):
    loading = loader(dataset, workers=2)
    assert len(list(loading.epoch(0))) > 1  # each worker has loaded one
    groups = {os.getpgid(worker.pid) for worker in loading._loader._iterator._workers}
    assert len(groups) == 2
    assert os.getpgrp() not in groups


def workers_of(loading):
    return loading._loader._iterator._workers


def test_killed_worker_raises_and_next_epoch_restarts(dataset):
    before = signal.getsignal(signal.SIGCHLD)
    loading = TrainLoader(dataset, EpochSampler(len(dataset), 1, 11), workers=2)
    batches = loading.epoch(0)
    next(batches)
    os.kill(workers_of(loading)[0].pid, signal.SIGKILL)
    assert signal.getsignal(signal.SIGCHLD) == before  # torch's handler would raise immediately
    with pytest.raises(InputError) as raised:
        list(batches)
    assert str(raised.value).startswith("a loader worker was ended by SIGKILL; most likely out of memory (see dmesg)")
    assert "lower DATA.WORKERS or SOLVER.BATCH_SIZE" in str(raised.value)
    assert len(list(loading.epoch(0))) == len(dataset)
    loading.close()


class Ended:
    def __init__(self, exitcode):
        self.exitcode = exitcode
        self.sentinel, other = os.pipe()
        os.close(other)

    def join(self, timeout):
        pass


@pytest.mark.parametrize(
    ("exitcode", "words"),
    [
        (-signal.SIGBUS, ("SIGBUS", "out of shared memory: docker run --shm-size=8g or --ipc=host", "DATA.WORKERS")),
        (-signal.SIGSEGV, None),  # ours, or a library's: its traceback is expected
        (1, None),
        (0, None),
    ],
)
def test_death_cause_names_signal_and_remedy(exitcode, words):
    class Loader:
        class _iterator:
            _workers = (Ended(0), Ended(exitcode))

    cause = _death_cause(Loader)
    assert (cause is None) == (words is None)
    assert all(word in cause for word in words or ())


def test_worker_bug_keeps_traceback(dataset):
    dataset.samples = None
    with pytest.raises(TypeError, match="Original Traceback"):
        next(TrainLoader(dataset, EpochSampler(9, 2), workers=1).epoch(0))


def test_workers_ignore_sigterm(dataset):
    loading = TrainLoader(dataset, EpochSampler(len(dataset), 1, 11), workers=2)
    batches = loading.epoch(0)
    next(batches), next(batches)  # each worker is up
    for worker in workers_of(loading):
        os.kill(worker.pid, signal.SIGTERM)
    assert len(list(batches)) == len(dataset) - 2
    loading.close()


@pytest.mark.gpu
def test_pinned_batches_are_equal(dataset):
    pinned = TrainLoader(dataset, EpochSampler(len(dataset), 2, 11), workers=2, pin_memory=True)
    batches = list(pinned.epoch(0))
    assert all_equal(batches, list(loader(dataset).epoch(0)))
    assert all(field.is_pinned() for field in batches[0][:-1])
    pinned.close()


def test_init_worker_limits_threads(monkeypatch):
    threads, moved, signals = torch.get_num_threads(), [], []
    monkeypatch.setattr(os, "setpgid", lambda *numbers: moved.append(numbers))
    monkeypatch.setattr(signal, "signal", lambda *given: signals.append(given))
    try:
        _init_worker(0)
        assert torch.get_num_threads() == 1
        assert moved == [(0, 0)]
        assert signals == [(signal.SIGTERM, signal.SIG_IGN)]
    finally:
        torch.set_num_threads(threads)
