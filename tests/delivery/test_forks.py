"""Forks: no child hangs, nothing is lost or sent twice, and Python has nothing to warn of."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest

from tests.delivery.loads import flush
from tests.endpoint import Endpoint
from tests.harness import Completed, environment, run_command, script

pytestmark = pytest.mark.delivery
APPS = pathlib.Path(__file__).parent.parent / "apps_in_code"


def run(folder: pathlib.Path, endpoint: Endpoint, *words: str, **variables: str) -> Completed:
    """Run a program under `autotrace run` to its end."""
    folder.mkdir(exist_ok=True)
    env = {**environment(folder, endpoint), **variables}
    return run_command([script("autotrace"), "run", sys.executable, *words], env, seconds=400, cwd=APPS)


def check_arrivals(done: Completed, folder: pathlib.Path, endpoint: Endpoint) -> None:
    """See that all arrived once that a program says it answered; the rest of its children is in the spool."""
    assert (done.code, done.stderr) == (0, "")
    endpoint.heal()
    flush(folder, endpoint)
    assert len(endpoint.requests()) == int(done.stdout)
    assert max(endpoint.counts().values()) == 1


def test_two_thousand_forks_of_a_busy_process(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    check_arrivals(run(tmp_path, endpoint, "-W", "ignore", "busy_forks.py", "2000"), tmp_path, endpoint)


def test_forks_of_a_busy_process_whose_endpoint_hangs(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.hang()
    done = run(tmp_path, endpoint, "-W", "ignore", "busy_forks.py", "300")
    check_arrivals(done, tmp_path, endpoint)


def test_forks_in_the_middle_of_the_first_request(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    children = 0
    for number in range(20):
        done = run(tmp_path / str(number), endpoint, "-W", "ignore", "first_fork.py")
        assert (done.code, done.stderr) == (0, "")
        children += int(done.stdout)
    assert children


@pytest.mark.parametrize("trouble", ["none", "slow", "hanging"])
def test_python_does_not_warn_of_threads(trouble: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    if trouble == "slow":
        endpoint.delay(0.15)
    elif trouble == "hanging":
        endpoint.hang()
    # As an error the warning would vanish: Python drops what it raises in the middle of a fork.
    warned = ["-W", "always:This process"]
    check_arrivals(run(tmp_path, endpoint, *warned, "quiet_forks.py", "100"), tmp_path, endpoint)


def test_python_warns_of_the_threads_of_the_application(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    words = [sys.executable, "-W", "always:This process", "quiet_forks.py", "10", "threads"]
    seen = []
    for launcher in ([], [script("autotrace"), "run"]):
        done = run_command([*launcher, *words], environment(tmp_path, endpoint), cwd=APPS)
        seen.append((done.code, re.sub(r"pid=\d+", "pid", done.stderr)))
    assert seen[1] == seen[0]
    assert seen[0][1].count("multi-threaded") == (5 if sys.version_info >= (3, 12) else 0)


@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_forks_of_a_process_of_greenlets(delay: float, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.delay(delay)
    check_arrivals(run(tmp_path, endpoint, "-W", "ignore", "green_forks.py", "40"), tmp_path, endpoint)
