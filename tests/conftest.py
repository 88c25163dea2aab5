"""What holds for all tests."""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)  # no test is a clock: others may be at work beside it
settings.load_profile("shared machine")

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: processes side by side have a core each
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _indexes_stay_with_the_test(tmp_path_factory, monkeypatch):
    """Indexes of made-up data go to a folder that goes away, and so in the processes that a test starts."""
    monkeypatch.setenv("FAIRMOT_CACHE", str(tmp_path_factory.getbasetemp() / "indexes"))


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> None:
    """Jobs in a shell's background start with Ctrl-C ignored; tests that send it must hear it, and their children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
