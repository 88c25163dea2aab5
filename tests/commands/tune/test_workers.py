import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.locations import ROOT
from helpers.tune_worlds import write_world

from fairmot.commands.tune.data import read_tune_data
from fairmot.commands.tune.trial import SCORES, TrialBench
from fairmot.commands.tune.workers import workers
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.utils.errors import InputError


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool") / "world"
    write_world(folder, frames=10)
    data = read_tune_data(load_cfg(), caches=[folder / "caches"], truth=folder / "gt", holdout=())
    return TrialBench(cfg_to_dict(load_cfg()), {"tuned": data.tuned, "held out": data.held_out}, data.protocol)


def test_processes_give_what_one_gives(bench):
    wanted = [("tuned", {"CONF_THRESHOLD": 0.6}), ("held out", {}), ("tuned", {"CONF_THRESHOLD": 0.3})]
    found = []
    for processes in (1, 2):
        with workers(bench, processes) as submit:
            waiting = [submit(*each) for each in wanted]
            found.append([{name: wait()[name] for name in SCORES} for wait in waiting])
    assert found[0] == found[1]
    assert found[0][0] != found[0][2]


class Deadly(TrialBench):
    """Ends the process that runs it."""

    def run(self, part, values):
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def test_a_process_that_is_killed_is_one_line(bench):
    deadly = Deadly(bench.tree, bench.parts, bench.protocol)
    with workers(deadly, 2) as submit:
        wait = submit("tuned", {})
        with pytest.raises(InputError, match="a process at work was ended"):
            wait()


ORPHANS = """
import os, time
from multiprocessing import active_children
from fairmot.commands.tune.workers import workers
from fairmot.commands.tune.trial import Bench
with workers(Bench({}, {}, "auto"), 2):
    print(*(child.pid for child in active_children()), flush=True)
    time.sleep(60)
"""


def test_the_workers_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(text) for text in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while any(map(_is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_is_alive, children))


def _is_alive(process):
    """A process that has ended and that nobody has asked about counts as ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
