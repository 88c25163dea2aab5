"""What holds for all tests."""

import pytest


@pytest.fixture(autouse=True)
def _indexes_stay_with_the_test(tmp_path_factory, monkeypatch):
    """Indexes of made-up data go to a folder that goes away, and so in the processes that a test starts."""
    monkeypatch.setenv("FAIRMOT_CACHE", str(tmp_path_factory.getbasetemp() / "indexes"))
