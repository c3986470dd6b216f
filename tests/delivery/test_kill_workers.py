"""Processes are killed under load: what was answered arrives, and what may arrive twice is what was on its way."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from typing import Any, Callable

import psutil
import pytest

from tests.endpoint import Endpoint
from tests.harness import Server, environment, gunicorn, run_code, serve
from tests.journals import segments
from tests.traffic import arrivals, settle, traffic

pytestmark = pytest.mark.delivery
COMMAND = gunicorn("flask_app:app", workers=2)
# Within this many seconds the siblings have what a killed process left: they look every ten.
ADOPTED = 15.0


def workers(server: Server) -> list[int]:
    """Return the process ids of a gunicorn's workers."""
    return [child.pid for child in psutil.Process(server.process.pid).children()]


def next_start(folder: pathlib.Path, endpoint: Endpoint) -> None:
    """Start the server once more, and give it requests until both workers have had some."""
    with serve(COMMAND, folder, endpoint) as server:
        with traffic(server.port, first=10_000_000) as running:
            running.wait_for(50)
        settle(running.answered, endpoint)
        server.stop()


@pytest.mark.parametrize("times", [1, 3])
def test_siblings_send_what_a_killed_worker_left(times: int, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with serve(COMMAND, tmp_path, endpoint) as server:
        with traffic(server.port) as running:
            for _ in range(times):
                running.wait_for(300)
                os.kill(workers(server)[0], signal.SIGKILL)
            killed = time.monotonic()
            running.wait_for(300)
        result = settle(running.answered, endpoint, seconds=ADOPTED)
        print(f"all there {time.monotonic() - killed:.1f} s after the last kill")  # noqa: T201
        assert result.lost == 0
        assert result.twice <= times * on_its_way(endpoint)
        assert server.stop() == 0
    assert not segments(tmp_path / "spool")


def on_its_way(endpoint: Endpoint) -> int:
    """Return the number of items in the largest post: so many may arrive twice, if a kill hits before it is noted."""
    return max(len(post.items) for post in endpoint.posts)


TREE: dict[str, Callable[[Endpoint], object]] = {
    "up": lambda endpoint: None,
    "refused": Endpoint.refuse,
    "503": lambda endpoint: endpoint.fail(503),
    "hanging": Endpoint.hang,
}


@pytest.mark.parametrize("what", TREE)
def test_the_next_start_sends_what_a_killed_tree_left(what: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with serve(COMMAND, tmp_path, endpoint) as server:
        with traffic(server.port) as running:
            running.wait_for(100)
            assert endpoint.wait_for(20)
            TREE[what](endpoint)
            running.wait_for(500)
        time.sleep(1)
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    endpoint.accept()
    endpoint.heal()
    next_start(tmp_path, endpoint)
    result = settle(running.answered, endpoint, seconds=ADOPTED)
    assert result.lost == 0
    # What hangs was never accepted, so that nothing comes twice; of what is accepted the last post may.
    assert result.twice <= (2 * on_its_way(endpoint) if what == "up" else 0)
    assert not segments(tmp_path / "spool")


# A process that answers a number of requests and goes on.
CODE = """
import sys, time
from flask_app import app
client = app.test_client()
for number in range({first}, {first} + {count}):
    client.get(f"/users/{{number}}")
time.sleep({then})
"""
ROUNDS, EACH = 8, 200


@pytest.mark.parametrize("moment", ["before the answer", "with the answer"])
def test_a_kill_around_an_answer(moment: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    """What the endpoint has is presumed delivered until its answer, so that a kill in between repeats nothing."""
    env = environment(tmp_path, endpoint)
    for first in range(0, ROUNDS * EACH, EACH):
        killer = threading.Thread(target=kill_when_sent, args=(moment, endpoint, first))
        killer.start()
        done = run_code(CODE.format(first=first, count=EACH, then=30), env, seconds=40)
        killer.join()
        assert done.code == -signal.SIGKILL
    endpoint.judge = lambda item: None
    run_code(CODE.format(first=1_000_000, count=1, then=2), env)
    result = settle(range(ROUNDS * EACH), endpoint, seconds=5)
    assert result.lost == 0
    if moment == "before the answer":
        # Nobody is believed to answer after half a second, which a busy machine may need.
        assert result.twice < ROUNDS * EACH // 2
    assert not segments(tmp_path / "spool")


def kill_when_sent(moment: str, endpoint: Endpoint, first: int) -> None:
    """Kill the process that sends a request's item: while the endpoint reads it, or once it is accepted."""
    wanted = f"/users/{first}"
    seen: list[dict[str, Any]] = []

    def kill(item: dict[str, Any]) -> None:
        if not seen and item["data"]["baseData"]["url"].endswith(wanted):
            seen.append(item)
            os.kill(int(item["data"]["baseData"]["properties"]["process.pid"]), signal.SIGKILL)

    if moment == "before the answer":
        endpoint.judge = kill
        return
    endpoint.wait_until(lambda: first in arrivals(endpoint), 30)
    kill(next(item for item in endpoint.items if item["data"]["baseData"]["url"].endswith(wanted)))
