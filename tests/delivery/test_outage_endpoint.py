"""The endpoint fails while a server is under load: what was answered arrives once, or the loss is counted and said."""

from __future__ import annotations

import pathlib
import time
from email.utils import formatdate
from typing import Any, Callable

import pytest

from tests.endpoint import Endpoint
from tests.harness import gunicorn, serve
from tests.journals import segments, wait_until_sent
from tests.traffic import Account, account, said_lost, settle, traffic

pytestmark = pytest.mark.delivery
COMMAND = gunicorn("flask_app:app", workers=2)
# How long an endpoint fails here, in seconds.
OUTAGE = 3.0
Fail = Callable[[Endpoint, Endpoint], object]


def refuse_some(status: int) -> Fail:
    """Refuse every fifth item twice with a status, accept the others."""

    def fail(endpoint: Endpoint, other: Endpoint) -> None:
        seen: dict[str, int] = {}

        def judge(item: dict[str, Any]) -> tuple[int, str] | None:
            url = item["data"]["baseData"]["url"]
            seen[url] = seen.get(url, 0) + 1
            return (status, "not this one") if url.endswith(("0", "5")) and seen[url] <= 2 else None

        endpoint.judge = judge

    return fail


def answer(status: int, retry_after: Callable[[], str] | None = None) -> Fail:
    """Answer with a status, and tell when to come again."""
    return lambda endpoint, other: endpoint.fail(status, retry_after=None if retry_after is None else retry_after())


# A date has whole seconds.
KEPT: dict[str, Fail] = {
    "refused": lambda endpoint, other: endpoint.refuse(),
    "hanging": lambda endpoint, other: endpoint.hang(),
    "late": lambda endpoint, other: endpoint.delay(12),
    "429 for seconds": answer(429, lambda: "2"),
    "429 until a date": answer(429, lambda: formatdate(time.time() + 3, usegmt=True)),
    "503 for seconds": answer(503, lambda: "2"),
    "503 until a date": answer(503, lambda: formatdate(time.time() + 3, usegmt=True)),
    "500": answer(500),
    "401": answer(401),
    "206, 503": refuse_some(503),
    "206, 429": refuse_some(429),
    "307": lambda endpoint, other: endpoint.fail(307, Location=other.url + "v2.1/track"),
    "308": lambda endpoint, other: endpoint.fail(308, Location=other.url + "v2.1/track"),
    "garbage": lambda endpoint, other: endpoint.garble(b"\x16\x03\x01\x00\xff garbage\r\n\r\n" * 100),
    "a cut request": lambda endpoint, other: endpoint.cut("request"),
    "a cut answer": lambda endpoint, other: endpoint.cut("answer"),
}
# What the endpoint may refuse for good. Whether it does is no matter here: the loss is what is said.
REFUSED: dict[str, Fail] = {
    "400": lambda endpoint, other: setattr(endpoint, "judge", lambda item: (400, "109: Field 'x' is required")),
    "206, 400": refuse_some(400),
    "413": answer(413),
}


def run(fail: Fail, folder: pathlib.Path, endpoint: Endpoint, other: Endpoint) -> tuple[Account, str]:
    """Load a server while the endpoint fails for a while; return the account and what the server said."""
    with serve(COMMAND, folder, endpoint) as server:
        with traffic(server.port) as running:
            running.wait_for(100)
            assert endpoint.wait_for(20)
            fail(endpoint, other)
            time.sleep(OUTAGE)
            running.wait_for(100)
            endpoint.accept()
            endpoint.heal()
            endpoint.judge = lambda item: None
            running.wait_for(100)
        assert not running.failed, "the application must not notice"
        assert wait_until_sent(folder / "spool")
        assert server.stop() == 0
    return account(running.answered, endpoint, other), server.stderr()


@pytest.mark.parametrize("what", KEPT)
def test_an_outage_of_seconds_loses_nothing(what: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with Endpoint() as other:
        result, stderr = run(KEPT[what], tmp_path, endpoint, other)
    assert (result.lost, result.twice) == (0, 0)
    assert said_lost(stderr) == 0
    assert not segments(tmp_path / "spool")


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_for_good_is_counted_and_said(what: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with Endpoint() as other:
        result, stderr = run(REFUSED[what], tmp_path, endpoint, other)
    assert result.twice == 0
    assert said_lost(stderr) == result.lost, stderr
    assert not segments(tmp_path / "spool")


LONG: dict[str, Callable[[Endpoint], object]] = {
    "refused": Endpoint.refuse,
    "hanging": Endpoint.hang,
    "503": lambda endpoint: endpoint.fail(503),
    "429 for an hour": lambda endpoint: endpoint.fail(429, retry_after="3600"),
    # The quota comes back; until then the endpoint is left alone for minutes.
    "402": lambda endpoint: endpoint.fail(402),
    "439": lambda endpoint: endpoint.fail(439),
}


def stop_after_load(folder: pathlib.Path, endpoint: Endpoint | None, first: int) -> tuple[set[int], float, str]:
    """Load a server for a while and stop it; return the answered requests, how long it took to stop, and its words."""
    with serve(COMMAND, folder, endpoint, traced=endpoint is not None) as server:
        with traffic(server.port, first) as running:
            running.wait_for(300)
        assert not running.failed
        time.sleep(2)
        started = time.monotonic()
        assert server.stop() == 0
        return running.answered, time.monotonic() - started, server.stderr()


@pytest.mark.parametrize("what", LONG)
def test_an_outage_longer_than_the_server_lives(what: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    _, without, _ = stop_after_load(tmp_path / "without", None, 0)
    LONG[what](endpoint)
    answered, took, stderr = stop_after_load(tmp_path, endpoint, 0)
    print(f"stopped in {without:.2f} s without, in {took:.2f} s")  # noqa: T201
    # Two seconds are the promise, the rest is for a busy machine.
    assert took < without + 2 + 1
    endpoint.accept()
    endpoint.heal()
    more, _, said = stop_after_load(tmp_path, endpoint, 1_000_000)
    result = settle(answered | more, endpoint, seconds=0)
    assert (result.lost, result.twice) == (0, 0)
    assert said_lost(stderr + said) == 0
    assert not segments(tmp_path / "spool")


def test_an_answer_that_comes_after_the_end(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    """The endpoint accepts what was sent when nobody waits any more: rather twice than never."""
    endpoint.delay(4)
    answered, _, _ = stop_after_load(tmp_path, endpoint, 0)
    assert endpoint.wait_for_posts(2), "one of each worker"
    endpoint.heal()
    more, _, _ = stop_after_load(tmp_path, endpoint, 1_000_000)
    result = settle(answered | more, endpoint, seconds=0)
    assert result.lost == 0
    assert result.twice <= sum(len(post.items) for post in endpoint.posts[:2])
    assert not segments(tmp_path / "spool")
