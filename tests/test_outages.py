"""What was answered arrives once: through outages, refusals, kills, forks and a hanging endpoint."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import threading
from typing import Any, Callable, Iterator

import pytest

from autotrace.sender import Journal
from tests.endpoint import Endpoint
from tests.harness import Request, environment, gunicorn, load, run_code, run_command, script, serve
from tests.journals import hurry, line, make_journal, numbers, segments, stored

APPS = pathlib.Path(__file__).parent / "apps_in_code"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def journal(tmp_path: pathlib.Path, endpoint: Endpoint) -> Iterator[Journal]:
    """A journal that sends to the endpoint."""
    made = make_journal(tmp_path / "spool", endpoint)
    yield made
    made.flush(2)


TROUBLES: dict[str, Callable[[Endpoint], None]] = {
    "refused": lambda endpoint: endpoint.refuse(),
    "500": lambda endpoint: endpoint.fail(500),
    "503": lambda endpoint: endpoint.fail(503),
    "408": lambda endpoint: endpoint.fail(408),
    "401": lambda endpoint: endpoint.fail(401),
    "429 for a second": lambda endpoint: endpoint.fail(429, retry_after="1"),
    "429 until a date": lambda endpoint: endpoint.fail(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    "503 with nonsense": lambda endpoint: endpoint.fail(503, retry_after="soon"),
}


@pytest.mark.parametrize("what", TROUBLES)
def test_lines_outlive_an_outage(what: str, journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    TROUBLES[what](endpoint)
    for number in range(20):
        journal.spool.append(line(number))
    if what != "refused":
        assert endpoint.wait_for_posts(1)
    endpoint.clear()
    assert stored(tmp_path) == 20
    endpoint.heal()
    endpoint.accept()
    assert endpoint.wait_for(20)
    for number in range(20, 30):
        journal.spool.append(line(number))
    journal.flush(5)
    assert sorted(numbers(endpoint.items)) == list(range(30))
    assert not segments(tmp_path), "what is delivered leaves no file"


def test_the_word_of_the_endpoint_is_kept(journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.fail(429, retry_after="3600")
    journal.spool.append(line(1))
    assert endpoint.wait_for_posts(1)
    journal.spool.append(line(2))
    journal.flush(2)
    assert len(endpoint.posts) == 1, "not even at the end is it asked again"
    endpoint.heal()
    after = make_journal(tmp_path / "spool", endpoint)
    after.spool.append(line(3))
    assert endpoint.wait_for(3)
    after.flush(2)
    assert sorted(numbers(endpoint.items)) == [1, 2, 3]


def test_an_endpoint_that_wants_some_items_again(journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    refused: list[int] = []

    def judge(item: dict[str, Any]) -> tuple[int, str] | None:
        (number,) = numbers([item])
        if number % 4 == 1 and refused.count(number) < 2:
            refused.append(number)
            return (429, 500, 503, 408)[number % 3], "later"
        if number % 4 == 2:
            return 400, "109: Field 'name' is required but missing"
        if number % 4 == 3:
            return 200, "Telemetry sampled out."
        return None

    endpoint.judge = judge
    for number in range(20):
        journal.spool.append(line(number))
    assert endpoint.wait_for(10)
    journal.flush(5)
    assert sorted(numbers(endpoint.items)) == sorted([*range(0, 20, 4), *range(1, 20, 4)])
    assert not segments(tmp_path)


def test_what_the_endpoint_refuses_is_counted_and_gone(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.judge = lambda item: (400, "Invalid instrumentation key\x1b[2J")
    for number in range(5):
        journal.spool.append(line(number, "SECRET"))
    assert endpoint.wait_for_posts(1)
    journal.spool.append(line(6, "SECRET"))
    journal.flush(5)
    assert not endpoint.items
    assert not segments(tmp_path)
    said = capfd.readouterr().err
    # At once, and the rest at the end.
    assert [line.rpartition("; ")[2] for line in said.splitlines()] == ["5 items dropped", "1 items dropped"]
    assert "Invalid instrumentation key" in said
    assert "SECRET" not in said
    assert "\x1b" not in said


def test_many_lines_go_in_few_posts(journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.fail(503)
    for number in range(5000):
        journal.spool.append(line(number, "x" * 500))
    endpoint.heal()
    assert endpoint.wait_for(5000, 20)
    journal.flush(5)
    assert numbers(endpoint.items) == list(range(5000)), "in order"
    assert len([post for post in endpoint.posts if post.items]) < 20
    assert not segments(tmp_path)


def test_threads_lose_nothing(journal: Journal, endpoint: Endpoint) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 500):
            journal.spool.append(line(number))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 4000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endpoint.wait_for(4000)
    assert sorted(numbers(endpoint.items)) == list(range(4000))


def test_forks_lose_nothing_and_send_nothing_twice(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.delay(0.5)
    words = [script("autotrace"), "run", sys.executable, "-W", "ignore", "forks.py"]
    done = run_command(words, environment(tmp_path, endpoint), cwd=APPS)
    assert done.code == 0, done.stderr
    endpoint.heal()
    # What the killed children left is adopted by the next process.
    run_code(
        "from flask_app import app; app.test_client().get('/'); import time; time.sleep(1.5)",
        environment(tmp_path, endpoint),
    )
    assert len(endpoint.requests()) == int(done.stdout) + 1
    assert max(endpoint.counts().values()) == 1
    assert not endpoint.invalid
    assert not segments(tmp_path / "spool")
    assert "autotrace" not in done.stderr


def test_a_hanging_endpoint_holds_nobody_up_at_the_end(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.hang()
    env = environment(tmp_path, endpoint)
    code = "from flask_app import app; app.test_client().get('/users/%d')"
    # The stock exporter takes more than ten seconds here.
    done = run_code(code % 1, env, seconds=9)
    assert (done.code, done.stderr) == (0, "")
    assert stored(tmp_path / "spool") == 1
    endpoint.heal()
    run_code(code % 2 + "; import time; time.sleep(1.5)", env)
    urls = [item["data"]["baseData"]["url"] for item in endpoint.requests()]
    assert sorted(urls) == ["http://localhost/users/1", "http://localhost/users/2"]
    assert not segments(tmp_path / "spool")


def test_a_killed_server_loses_nothing(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    def requests(first: int) -> list[Request]:
        return [Request("GET", f"/users/{number}") for number in range(first, first + 20)]

    command = gunicorn("flask_app:app", workers=2)
    with serve(command, tmp_path, endpoint) as server:
        load(server.port, requests(0))
        assert endpoint.wait_for(20)
        endpoint.fail(503)
        load(server.port, requests(20))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert stored(tmp_path / "spool") >= 20
    endpoint.heal()
    with serve(command, tmp_path, endpoint) as server:
        load(server.port, requests(40))
        assert endpoint.wait_for(60, 15)
        server.stop()
    assert len(endpoint.requests()) == 60
    assert max(endpoint.counts().values()) == 1
    assert not segments(tmp_path / "spool")
