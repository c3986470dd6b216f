"""Whatever the endpoint does, a process stays within its limits, and drops the oldest items first."""

from __future__ import annotations

import collections
import concurrent.futures
import json
import pathlib
import sys
import time
from statistics import median
from typing import Any, Mapping

import pytest

from autotrace.spool import HELD_MOST
from tests.endpoint import Endpoint
from tests.harness import Completed, environment, run_command, script
from tests.journals import segments, unsent
from tests.traffic import arrivals, said_lost

pytestmark = pytest.mark.delivery
MEGABYTE = 1 << 20
SEND = """
import os, time
from pyramid_app import app
from loop import ask
ask(app, "/users/999999", False)
end = time.monotonic() + 60
while any(entry.stat().st_size > 16 for folder in os.scandir(os.environ["AUTOTRACE_SPOOL_DIR"])
          for entry in os.scandir(folder)) and time.monotonic() < end:
    time.sleep(0.1)
"""


def loop(app: str, kind: str, count: int, every: int, env: Mapping[str, str], rest: float = 0.0) -> Completed:
    """Have a process send requests to its own application, and see it end well."""
    words = [sys.executable, "-W", "ignore", "loop.py", f"{app}_app:app", kind, str(count), str(every), str(rest)]
    done = run_command([script("autotrace"), "run", *words], env, 300)
    assert done.code == 0, done.stderr
    return done


def measures(done: Completed) -> list[dict[str, Any]]:
    """Return what a process measured of itself, and show it."""
    print(done.stdout, done.stderr)  # noqa: T201
    return [json.loads(line) for line in done.stdout.splitlines()]


def send_the_rest(env: Mapping[str, str]) -> str:
    """Start a process that sends what others left, wait for it, and return what it said."""
    done = run_command([script("autotrace"), "run", sys.executable, "-W", "ignore", "-c", SEND], env, 120)
    assert done.code == 0, done.stderr
    return done.stderr


def test_an_endpoint_that_never_answers(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    count = 200_000
    env = environment(tmp_path, endpoint)
    endpoint.hang()
    started = time.monotonic()
    done = loop("pyramid", "users", count, 20_000, env)
    minutes = (time.monotonic() - started) / 60
    found = measures(done)
    assert found[-1]["memory"] - found[0]["memory"] < 16 * MEGABYTE
    assert max(each["spool"] for each in found) <= 50 * MEGABYTE
    assert max(each["descriptors"] for each in found) - found[0]["descriptors"] < 10
    endpoint.heal()
    # It needs room for a segment of its own.
    said = said_lost(done.stderr) + said_lost(send_the_rest(env))
    arrived = arrivals(endpoint)
    del arrived[999_999]
    assert sorted(arrived) == list(range(count - len(arrived), count)), "the newest are those that are kept"
    assert len(arrived) > 45 * MEGABYTE // 700
    assert max(arrived.values()) == 1
    assert said == count - len(arrived)
    # One a minute, one at the beginning and one at the end.
    assert done.stderr.count("\n") <= minutes + 2


STATES: dict[str, str] = {"up": "50", "down, with a full spool": "1"}


@pytest.mark.parametrize("what", STATES)
def test_sixty_thousand_requests_leave_a_process_as_it_was(
    what: str, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    if what != "up":
        endpoint.refuse()
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_SPOOL_SIZE": STATES[what]}
    for app in ("flask", "pyramid"):
        found = measures(loop(app, "mixed", 60_000, 10_000, env, rest=3))[1::2]
        # A batch more or less on its way moves it by two megabytes: the middle of each half is compared.
        first, last = (median(each["memory"] for each in half) for half in (found[:3], found[3:]))
        assert last - first < 1.5 * MEGABYTE
        assert found[-1]["threads"] == found[0]["threads"]
        # The segments that are held, and the connection, which may have been closed.
        descriptors = [each["descriptors"] for each in found]
        assert max(descriptors) - min(descriptors) <= (1 if what == "up" else HELD_MOST + 1)
    if what == "up":
        # Each request, the span of each tenth, and the exceptions of two tenths.
        assert len(endpoint.items) == 2 * 78_000
        assert max(endpoint.counts().values()) == 1


def test_many_processes_share_one_limit(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    processes, each = 8, 4000
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_SPOOL_SIZE": "1"}
    endpoint.refuse()
    most = 0
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        running = [pool.submit(loop, "pyramid", "users", each, each, env) for _ in range(processes)]
        while not all(future.done() for future in running):
            most = max(most, sum(size(path) for path in segments(tmp_path / "spool")))
            time.sleep(0.01)
    done = [future.result() for future in running]
    print("largest size of the spool:", most)  # noqa: T201
    # Those that begin a segment at the same moment do not see each other's.
    assert most <= MEGABYTE + processes * MEGABYTE // 16
    kept = unsent(tmp_path / "spool")
    assert kept > 500
    endpoint.accept()
    # It needs room for a segment of its own.
    dropped = said_lost(send_the_rest(env))
    assert len(endpoint.requests()) == kept - dropped + 1
    assert max(endpoint.counts().values()) == 1
    numbers = collections.defaultdict(list)
    for item in endpoint.requests():
        base = item["data"]["baseData"]
        numbers[base["properties"]["process.pid"]].append(int(base["url"].rpartition("/")[2]))
    for found in numbers.values():
        if found != [999_999]:
            assert sorted(found) == list(range(each - len(found), each)), "the newest of each process are kept"
    assert sum(said_lost(one.stderr) for one in done) + kept == processes * each
    assert max(one.stderr.count("\n") for one in done) <= 2


def size(path: pathlib.Path) -> int:
    """Return the size of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
