"""Set-up of all tests: hypothesis profile, threads, cache folder, signals."""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None, max_examples=50)  # other processes may slow a test down
settings.load_profile("shared machine")

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: one core for each worker
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _temporary_index_cache(tmp_path_factory, monkeypatch):
    """Write label indexes to a temporary folder, also in child processes."""
    monkeypatch.setenv("FAIRMOT_CACHE", str(tmp_path_factory.getbasetemp() / "indexes"))


@pytest.fixture(autouse=True, scope="session")
def default_sigint_handler() -> None:
    """Restore SIGINT, which a shell ignores in background jobs, for this process and its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
