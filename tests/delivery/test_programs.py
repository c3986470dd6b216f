"""Programs that are no servers: children of multiprocessing, and all the ways in which a process ends itself."""

from __future__ import annotations

import pathlib
import sys
import time

import pytest

from tests.delivery.loads import arrivals, flush
from tests.delivery.test_servers import LONGER
from tests.endpoint import Endpoint
from tests.harness import Completed, environment, run_command, script
from tests.journals import stored

pytestmark = pytest.mark.delivery
APPS = pathlib.Path(__file__).parent.parent / "apps_in_code"
COUNT = 60


def run_both(folder: pathlib.Path, endpoint: Endpoint, *words: str) -> Completed:
    """Run a program without us and with us, see that it ends alike and not much later, and return its end."""
    ends, seconds = [], []
    for launcher in ([], [script("autotrace"), "run"]):
        began = time.monotonic()
        ends.append(run_command([*launcher, sys.executable, *words], environment(folder, endpoint), cwd=APPS))
        seconds.append(time.monotonic() - began)
    assert ends[1] == ends[0]
    assert seconds[1] <= seconds[0] + LONGER
    return ends[1]


@pytest.mark.parametrize("kind", ["Process", "Executor", "Pool", "closed Pool"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(method: str, kind: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    ended = run_both(tmp_path, endpoint, "children.py", method, kind, str(COUNT))
    assert ended == Completed(0, "", "")
    if kind == "Pool":
        # It terminates its children: they die of a signal.
        flush(tmp_path, endpoint)
    arrived = arrivals(endpoint)
    assert set(arrived) == set(range(COUNT))
    assert max(arrived.values()) == 1
    assert not stored(tmp_path / "spool")


# How a program ends → its exit code, and whether it runs exit callbacks.
ENDS = {
    "falling off": (0, True),
    "sys.exit": (5, True),
    "exit in a thread": (0, True),
    "an exception beside a thread": (1, True),
    "an exit callback answers": (0, False),
    "os._exit": (6, False),
    "abort": (-6, False),
}


@pytest.mark.parametrize("how", ENDS)
def test_programs_that_end_themselves(how: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    code, calls_back = ENDS[how]
    assert run_both(tmp_path, endpoint, "ends.py", how, str(COUNT)).code == code
    if not calls_back:
        flush(tmp_path, endpoint)
    arrived = arrivals(endpoint)
    assert set(arrived) == set(range(COUNT))
    assert max(arrived.values()) == 1
    assert not stored(tmp_path / "spool")
