"""When the sender comes again after a failure, and what it still tries at the end of a process."""

from __future__ import annotations

import os
import pathlib
import random
import time

import pytest

from autotrace import guard, sender
from tests.endpoint import Endpoint
from tests.harness import environment, run_code
from tests.journals import hurry, line, make_journal, numbers, unsent


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def test_workers_do_not_come_back_all_at_once(
    endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST_DELAY", 1.0)
    endpoint.fail(503)
    journals = [make_journal(tmp_path / str(number), endpoint) for number in range(6)]
    for number, journal in enumerate(journals):
        journal.spool.append(line(number))
    assert endpoint.wait_for_posts(6)
    # As in an application that seeds, or a server that forks behind Python's back.
    waits = []
    for journal in journals:
        random.seed(7)
        journal._back_off(None)
        waits.append(journal._next_post - time.monotonic())
    assert max(waits) - min(waits) > 0.05
    waits = []
    for journal in journals:
        journal._back_off(100.0)
        waits.append(journal._next_post - time.monotonic())
    assert min(waits) > 99.9, "never sooner than the endpoint asked for"
    assert max(waits) - min(waits) > 0.5
    for journal in journals:
        journal.flush(0.5)


def test_the_end_of_a_process_is_one_more_try(
    endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage may be over by now; only the endpoint's own word is not gone against."""
    monkeypatch.setattr(sender, "FIRST_DELAY", 600.0)
    journal = make_journal(tmp_path / "spool", endpoint)
    endpoint.fail(503)
    journal.spool.append(line(1))
    assert endpoint.wait_for_posts(1)
    endpoint.heal()
    time.sleep(0.3)
    assert len(endpoint.posts) == 1
    journal.flush(2)
    assert numbers(endpoint.items) == [1]


def test_a_drain_does_not_go_against_the_endpoint(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    journal = make_journal(tmp_path / "spool", endpoint)
    endpoint.fail(429, retry_after="3600")
    journal.spool.append(line(1))
    assert endpoint.wait_for_posts(1)
    journal.drain(1)
    journal.drain(1)
    journal.flush(1)
    assert len(endpoint.posts) == 1


def test_the_end_begins_no_post_that_would_be_cut(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    """What the endpoint has no time to answer it may have accepted all the same."""
    journal = make_journal(tmp_path / "spool", endpoint)
    endpoint.delay(0.7)
    for number in range(20_000):
        journal.spool.append(line(number))
    assert endpoint.wait_for(1)
    started = time.monotonic()
    journal.flush(2)
    assert time.monotonic() - started < 2.5
    # Let what is on its way arrive.
    time.sleep(1)
    endpoint.heal()
    after = make_journal(tmp_path / "spool", endpoint)
    after.spool.append(line(20_000))
    assert endpoint.wait_for(20_001, 20)
    after.flush(2)
    assert sorted(numbers(endpoint.items)) == list(range(20_001))


def test_while_nothing_may_be_sent_the_spool_is_looked_after(
    endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An endpoint that asks for a day's patience does not keep anybody from being told what is lost meanwhile."""
    monkeypatch.setattr(sender, "ADOPT_INTERVAL", 0.2)
    endpoint.fail(429, retry_after="86400")
    journal = make_journal(tmp_path / "spool", endpoint, 1 << 20)
    journal.spool.append(line(0))
    assert endpoint.wait_for_posts(1)
    for number in range(1, 5000):
        journal.spool.append(line(number))
    said, end = "", time.monotonic() + 10
    while "oldest items were dropped" not in said:
        assert time.monotonic() < end
        said += capfd.readouterr().err
        time.sleep(0.02)
    assert len(endpoint.posts) == 1
    journal.flush(1)


def test_losses_are_said_once_a_minute_with_their_number(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "_PAUSE", 0.3)
    for _ in range(5):
        guard.lost("room", "no room: {count} items dropped", 2)
        guard.lost("age", "too old: {count} items dropped", 1)
    assert capfd.readouterr().err.splitlines() == [
        "autotrace: no room: 2 items dropped",
        "autotrace: too old: 1 items dropped",
    ]
    guard.say_lost()
    assert capfd.readouterr().err == ""
    time.sleep(0.4)
    guard.say_lost()
    assert capfd.readouterr().err.splitlines() == [
        "autotrace: no room: 8 items dropped",
        "autotrace: too old: 4 items dropped",
    ]
    guard.lost("room", "no room: {count} items dropped", 1)
    guard.say_lost(at_end=True)
    guard.say_lost(at_end=True)
    assert capfd.readouterr().err == "autotrace: no room: 1 items dropped\n"


def test_a_forked_child_says_nothing_for_its_parent(capfd: pytest.CaptureFixture[str]) -> None:
    guard.lost("room", "{count} items dropped", 1)
    guard.lost("room", "{count} items dropped", 5)
    capfd.readouterr()
    child = os.fork()
    if child == 0:
        guard.say_lost(at_end=True)
        os._exit(0)
    os.waitpid(child, 0)
    assert capfd.readouterr().err == ""
    guard.say_lost(at_end=True)
    assert capfd.readouterr().err == "autotrace: 5 items dropped\n"


def test_a_host_that_does_not_exist(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    where = f"InstrumentationKey={endpoint.key};IngestionEndpoint=https://nowhere.invalid/"
    env = {**environment(tmp_path, exporter=""), "APPLICATIONINSIGHTS_CONNECTION_STRING": where}
    code = "from flask_app import app; import time; app.test_client().get('/users/1'); time.sleep(1.5)"
    started = time.monotonic()
    plain = run_code(code, env, traced=False)
    without = time.monotonic() - started
    done = run_code(code, env)
    # Two seconds are the promise, the rest is for a busy machine.
    assert time.monotonic() - started - without < without + 2 + 1.5
    assert (done.code, done.stderr) == (plain.code, plain.stderr) == (0, "")
    assert unsent(tmp_path / "spool") == 1
