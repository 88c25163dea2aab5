"""Public names of `import fairmot`: defined, and loaded on first use."""

import subprocess
import sys

import pytest
from helpers.locations import ROOT

import fairmot

HEAVY = ("torch", "cv2", "scipy", "numpy", "supervision")


def loaded_after(statement):
    """Run `statement` in a fresh interpreter; return which heavy packages it loaded."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("name", fairmot.__all__)
def test_public_name_equals_the_name_in_its_module(name):
    found = getattr(fairmot, name)
    assert name == "__version__" or found.__name__ == name


def test_public_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'fairmot' has no attribute 'load_tracker'"):
        fairmot.load_tracker  # noqa: B018


def test_import_of_the_package_loads_no_heavy_package():
    assert loaded_after("import fairmot") == set()


def test_import_of_tracker_and_supervision_needs_no_torch():
    statement = "from fairmot import Detections, JointTracker, TrackerOptions; import fairmot.formats.supervision"
    assert loaded_after(statement).isdisjoint({"torch", "supervision"})
