"""Sending is never in the way: not in the logs, not in the arbiter, not in an event loop, not with strict warnings."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import time

import pytest

from tests.delivery.loads import PROBE, answer, arrivals, flush
from tests.delivery.table import CASES, eventlet
from tests.endpoint import Endpoint
from tests.harness import APPS, Completed, environment, gunicorn, run_code, serve, wait_until
from tests.journals import stored
from tests.needs import need

pytestmark = pytest.mark.delivery
IN_CODE = pathlib.Path(__file__).parent.parent / "apps_in_code"
COUNT = 40


def threads(pid: int) -> int:
    """Count the threads of a process, as the system does."""
    return len(os.listdir(f"/proc/{pid}/task"))


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["", "preload"])
def test_the_arbiter_has_no_thread_of_ours(options: list[str], tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    command = [*gunicorn("eager:app", workers=2), "--config=../apps/gunicorn.conf.py", "--max-requests=10", *options]
    counted: dict[bool, set[int]] = {False: set(), True: set()}
    for traced in (False, True):
        with serve(command, tmp_path / str(traced), endpoint, {}, traced, IN_CODE, PROBE) as server:
            pid = server.process.pid
            if traced:
                # What it answered itself is sent; gunicorn may have a thread of its own.
                assert endpoint.wait_until(lambda: 0 in arrivals(endpoint))
                wait_until(lambda pid=pid: threads(pid) <= max(counted[False]))
            for first in range(1, 1 + COUNT, 10):
                answer(server.port, first, 10, keep=False)
                counted[traced].add(threads(pid))
            assert not traced or endpoint.wait_until(lambda: len(arrivals(endpoint)) > COUNT)
            counted[traced].add(threads(pid))
            server.stop()
    assert max(counted[True]) == max(counted[False])
    assert set(arrivals(endpoint)) == set(range(COUNT + 1))


TROUBLES = {"refused": lambda endpoint: endpoint.refuse(), "503": lambda endpoint: endpoint.fail(503)}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_application_logs_nothing_of_ours(trouble: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    seen = {}
    for traced in (False, True):
        TROUBLES[trouble](endpoint)
        folder = tmp_path / str(traced)
        log = tmp_path / f"{traced}.log"
        command = [*gunicorn("loud:app"), "--config=../apps/gunicorn.conf.py"]
        with serve(command, folder, endpoint, {"APP_LOG": str(log)}, traced, IN_CODE, PROBE) as server:
            answer(server.port, 0, COUNT)
            if traced and trouble != "refused":
                assert endpoint.wait_for_posts(1)
            server.stop()
        seen[traced] = (log.read_text(), server.stdout(), server.stderr())
    assert seen[True] == seen[False]
    endpoint.heal()
    endpoint.accept()
    flush(folder, endpoint)
    assert set(arrivals(endpoint)) == set(range(COUNT))


GREEN = {"gevent": CASES["gunicorn gevent"], "eventlet": eventlet()}


@pytest.mark.parametrize("name", GREEN)
def test_a_hanging_endpoint_holds_up_no_greenlet(name: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    case = GREEN[name]
    for path in case.needs:
        need(path.exists(), f"{path.name} is not installed")
    endpoint.hang()
    with serve(case.command, tmp_path, endpoint, case.env, True, APPS, PROBE) as server:
        answer(server.port, 0, COUNT)
        assert endpoint.wait_for_posts(1)
        # The sender waits for an answer now, for ten seconds.
        answer(server.port, COUNT, COUNT)
        assert all(not post.items for post in endpoint.posts)
        endpoint.heal()
        wait_until(lambda: server.stderr().count(case.ready) >= case.workers)
        server.stop()
    flush(tmp_path, endpoint)
    assert set(arrivals(endpoint)) == set(range(2 * COUNT))


ENDING = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all(); ",
    "eventlet": "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch(); ",
}


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("name", ENDING)
def test_a_process_of_greenlets_that_ends_at_once(
    name: str, hangs: bool, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    need(importlib.util.find_spec(name), f"{name} is not installed")
    if hangs:
        endpoint.hang()
    # The name has to be looked up, at an end where Python 3.12 starts no thread for that any more.
    named = endpoint.connection_string.replace("127.0.0.1", "localhost")
    env = {**environment(tmp_path, endpoint), "APPLICATIONINSIGHTS_CONNECTION_STRING": named}
    began = time.monotonic()
    done = run_code(ENDING[name] + "from flask_app import app; app.test_client().get('/')", env)
    assert time.monotonic() - began < 5
    assert done == Completed(0, "", "")
    assert len(endpoint.requests()) == (0 if hangs else 1)
    assert stored(tmp_path / "spool") == (1 if hangs else 0)
