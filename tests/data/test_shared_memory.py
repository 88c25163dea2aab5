"""Tests of batches in shared memory: equal, freed after use, and not in /dev/shm."""

import errno
import gc
import os
import pickle
import shutil
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch
from helpers.small_loaders import make_dataset, make_loader

from fairmot.data.collate import collate
from fairmot.data.joint_dataset import SampleKey
from fairmot.data.shared_memory import SharedBatch
from fairmot.utils.errors import InputError

PRINT_BATCH_AND_ERROR = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from helpers.small_loaders import make_dataset, make_loader
from fairmot.utils.errors import InputError

dataset, room = make_dataset(Path(sys.argv[2])), Path("/dev/shm")
loader = make_loader(dataset, workers=2)
for epoch in (0, 1):
    for there, here in zip(loader.epoch(epoch), make_loader(dataset).epoch(epoch), strict=True):
        assert all(a.equal(b) for a, b in zip(there[:-1], here[:-1], strict=True))
facts = os.statvfs(room)
print(sum(field.nbytes for field in here[:-1]), "bytes in a room of", facts.f_blocks * facts.f_bsize)
loader.close()
try:
    (room / "full").write_bytes(bytes(2**20))
except OSError:
    pass
try:
    next(make_loader(dataset, workers=2).epoch(0))
except InputError as error:
    print(error)
"""


def mapped() -> int:
    gc.collect()  # what a test that failed still holds
    return Path("/proc/self/maps").read_text().count("memfd:fairmot-batch")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("render", [True, False], ids=["heatmaps", "no heatmaps"])
def test_shared_batch_round_trip(tmp_path, render):
    dataset, before = make_dataset(tmp_path, render=render), mapped()
    batch = collate([dataset[SampleKey(0, index)] for index in (0, 5)])
    arrived = pickle.loads(ForkingPickler.dumps(SharedBatch(batch)))
    assert type(arrived) is type(batch)
    assert arrived.image_paths == batch.image_paths
    for there, here in zip(arrived[:-1], batch[:-1], strict=True):
        assert there.dtype == here.dtype
        assert there.shape == here.shape
        assert torch.equal(there, here)
        assert there.data_ptr() % 64 == 0 or not there.numel()
    arrived.images_B3HW.mul_(2)  # it is the receiver's own
    assert mapped() == before + 1
    kept = arrived.radii_BK
    del arrived
    assert mapped() == before + 1
    del there, kept
    assert mapped() == before


def test_shared_batches_are_freed(tmp_path):
    loader = make_loader(make_dataset(tmp_path), workers=2)
    list(loader.epoch(0))
    before, maps = descriptors(), mapped()
    for epoch in range(1, 4):
        next(loader.epoch(epoch))
    list(loader.epoch(4))
    assert mapped() == maps
    assert descriptors() == before
    loader.close()


def test_no_memory_for_batch_raises(tmp_path, monkeypatch):
    def refuse(name):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "memfd_create", refuse)  # the worker is a fork of this process
    with pytest.raises(
        InputError, match=r"^a loader worker: no room for 2 MiB \(Cannot allocate memory\): lower DATA\.W"
    ):
        next(make_loader(make_dataset(tmp_path), workers=1).epoch(0))


def with_small_dev_shm(command: list[str], *, size: str) -> list[str]:
    """Return `command` in a mount namespace of its own, where /dev/shm has `size`; skip where that is not possible."""
    mount = f"mount -t tmpfs -o size={size} tmpfs /dev/shm"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("no mount namespace (unshare -m, as root)")
    return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]


@pytest.mark.e2e
def test_workers_with_small_dev_shm_run_or_name_remedy(tmp_path):
    script = [sys.executable, "-c", PRINT_BATCH_AND_ERROR, str(Path(__file__).parents[1]), str(tmp_path)]
    command = with_small_dev_shm(script, size="256k")
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    batch, refusal = done.stdout.splitlines()
    assert int(batch.split()[0]) > 5 * 2**18
    assert batch.endswith(f"in a room of {2**18}")
    assert refusal.startswith(
        "the loader's workers cannot start (No space left on device): is /dev/shm full or missing?"
    )
    assert "--shm-size=8g or --ipc=host" in refusal
    assert "DATA.WORKERS 0" in refusal
