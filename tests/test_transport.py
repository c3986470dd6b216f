"""What becomes of one post: by the status of its answer, redirected, or sent on a connection that is no more."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from typing import Any, Iterator

import pytest

from autotrace import guard
from autotrace.redirects import follow
from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.endpoint import Endpoint
from tests.journals import line, numbers
from tests.needs import strange_name


@pytest.fixture(autouse=True)
def _says_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_said", set())


@pytest.fixture
def transport(endpoint: Endpoint) -> Iterator[Transport]:
    """A connection to the endpoint."""
    made = Transport(endpoint.url.rstrip("/"))
    yield made
    made.close()


def test_a_batch_that_is_too_large_is_halved(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(413, times=2)
    answer = transport.post(b"".join(map(line, range(8))), 5)
    assert answer == Answer(True)
    assert sorted(numbers(endpoint.items)) == list(range(8))
    assert [len(post.items) for post in endpoint.posts] == [0, 0, 2, 2, 4]
    endpoint.fail(413)
    assert transport.post(line(9), 5) == Answer(True), "one item alone cannot be halved: it is dropped"


def test_halves_that_fail_are_sent_again(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(413, times=1)
    endpoint.judge = lambda item: (503, "later")
    lines = [line(number) for number in range(4)]
    answer = transport.post(b"".join(lines), 5)
    assert (answer.delivered, list(answer.again)) == (True, lines)


# Nobody can see from the items that these are not wanted, so they are kept: the quota is given anew, a wrong address
# is corrected, a proxy or portal on the way goes away.
KEPT = [
    204, 300, 301, 302, 303, 304, 305, 401, 402, 403, 404, 405, 407, 408, 410, 411, 415, 418, 421, 429, 431, 439, 451,
    500, 501, 502, 503, 504, 505, 511, 520, 599,
]  # fmt: skip


@pytest.mark.parametrize("status", KEPT)
def test_what_is_no_word_against_the_items_keeps_them(status: int, transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(status)
    answer = transport.post(line(1), 5)
    assert not answer.delivered
    assert (answer.retry_after or 0) >= (60 if status in (402, 439) else 0), "a used up quota is not asked each minute"
    endpoint.heal()
    assert transport.post(line(1), 5) == Answer(True)
    assert numbers(endpoint.items) == [1]


ADVICE = {
    401: "APPLICATIONINSIGHTS_AUTHENTICATION_STRING=Authorization=AAD",
    402: "AUTOTRACE_SAMPLER",
    403: "APPLICATIONINSIGHTS_AUTHENTICATION_STRING=Authorization=AAD",
    404: "APPLICATIONINSIGHTS_CONNECTION_STRING",
    407: "http://user:password@host:port",
    439: "AUTOTRACE_SAMPLER",
}


@pytest.mark.parametrize("status", ADVICE)
def test_what_somebody_has_to_see_to_is_said_once(
    status: int, transport: Transport, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.fail(status)
    for _ in range(3):
        transport.post(line(1), 5)
    said = capfd.readouterr().err
    assert said.startswith(f"autotrace: the endpoint answers {status}: ")
    assert ADVICE[status] in said
    assert said.endswith("; telemetry waits in the spool\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("status", [402, 404, 429, 439, 500, 503])
def test_an_endpoint_s_own_time_is_kept(status: int, transport: Transport, endpoint: Endpoint) -> None:
    for text, least, most in (("120", 120, 120), (email.utils.formatdate(time.time() + 120, usegmt=True), 110, 120)):
        endpoint.fail(status, retry_after=text)
        answer = transport.post(line(1), 5)
        assert not answer.delivered
        assert least <= (answer.retry_after or 0) <= most
    for text in ("99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
        endpoint.fail(status, retry_after=text)
        assert transport.post(line(1), 5).retry_after == 86_400, "not for ever"


@pytest.mark.parametrize("text", ["0", "-5", "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT", "\xb2", "1.5", ","])
def test_a_time_that_is_none_leaves_it_to_the_sender(text: str, transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(503, retry_after=text)
    assert transport.post(line(1), 5) == Answer(False)


def test_a_batch_that_is_refused_whole_is_gone(
    transport: Transport, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.judge = lambda item: (400, "109: Field 'name' is required")
    assert transport.post(line(1) + line(2), 5) == Answer(True)
    assert "109: Field 'name' is required); 2 items dropped" in capfd.readouterr().err


def test_of_a_batch_that_is_refused_whole_some_are_tried_again(transport: Transport, endpoint: Endpoint) -> None:
    def judge(item: dict[str, Any]) -> tuple[int, str]:
        return (400, "bad") if numbers([item]) == [1] else (503, "busy")

    endpoint.judge = judge
    assert transport.post(line(1) + line(2), 5) == Answer(True, (line(2),))


def test_items_beyond_the_quota_are_kept_and_not_hurried(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.judge = lambda item: (439, "daily cap") if numbers([item]) == [2] else None
    answer = transport.post(line(1) + line(2), 5)
    assert (answer.delivered, answer.again) == (True, (line(2),))
    assert (answer.retry_after or 0) >= 60


def test_redirects_within_the_service_are_followed_and_remembered(transport: Transport, endpoint: Endpoint) -> None:
    with Endpoint() as other:
        endpoint.fail(308, times=1, Location=other.url + "v2.1/track")
        assert transport.post(line(1), 5) == Answer(True)
        assert transport.post(line(2), 5) == Answer(True)
        assert (numbers(other.items), len(endpoint.posts)) == ([1, 2], 1)
        other.refuse()
        assert not transport.post(line(3), 5).delivered
        assert transport.post(line(3), 5) == Answer(True), "a host that is gone is forgotten"
        assert numbers(endpoint.items) == [3]


ELSEWHERE = [
    "http://evil.test/v2.1/track", "https://evil.test/", "https://monitor.azure.com.evil.test/",
    "http://westeurope-5.in.applicationinsights.azure.com/", "https://evil.test/?x=.monitor.azure.com", "//evil.test/",
    "ftp://127.0.0.1/", "file:///etc/passwd", "https://[bad", "https://westeurope.monitor.azure.com:port/", "",
]  # fmt: skip


@pytest.mark.parametrize("location", ELSEWHERE)
def test_redirects_elsewhere_are_not_followed(location: str, transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(307, Location=location)
    assert transport.post(line(1), 5) == Answer(False)
    assert len(endpoint.posts) == 1
    endpoint.heal()
    assert transport.post(line(1), 5) == Answer(True)


@pytest.mark.parametrize("status", [307, 308])
def test_a_stranger_is_sent_nothing(
    status: int, transport: Transport, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    with Endpoint() as stranger:
        name = strange_name()
        endpoint.fail(status, Location=f"http://{name}:{stranger.port}/v2.1/track")
        assert transport.post(line(1), 5) == Answer(False)
        assert transport.post(line(1), 5) == Answer(False)
        assert stranger.connections == 0
    said = capfd.readouterr().err
    assert said == (
        f"autotrace: the endpoint redirects to {name}, no host of the service: not followed; "
        "telemetry waits in the spool\n"
    )


CLOUD = "https://westeurope-5.in.applicationinsights.azure.com"
FOLLOWED = [
    (CLOUD + "/v2.1/track", "https://dc.services.visualstudio.com", CLOUD),
    (CLOUD + "/", "https://dc.services.visualstudio.com", CLOUD),
    ("https://user:word@x.monitor.azure.us/a/v2.1/track", CLOUD, "https://x.monitor.azure.us/a"),
    ("/other/v2.1/track", "https://collector.corp", "https://collector.corp/other"),
    ("https://collector.corp/v2.1/track", "https://collector.corp/old", "https://collector.corp"),
    ("http://127.0.0.9:81/v2.1/track", "http://localhost:80", "http://127.0.0.9:81"),
    ("http://127.0.0.1/v2.1/track", CLOUD, None),
    ("http://collector.corp/v2.1/track", "https://collector.corp", None),
    ("https://collector.corp:444/v2.1/track", "https://collector.corp", None),
    ("https://evilmonitor.azure.com.evil/", CLOUD, None),
    ("https://x.monitor.azure.com\\@evil.test/", CLOUD, None),
    ("https://x.monitor.azure.com /", CLOUD, None),
    ("https://x.monitor.azure.com/\r\nX: y", CLOUD, None),
    ("http://ip6-localhost/v2.1/track", "http://127.0.0.1", None),
    ("http://2130706433/", "http://127.0.0.1", None),
]


@pytest.mark.parametrize(("location", "configured", "expected"), FOLLOWED)
def test_which_redirects_are_followed(location: str, configured: str, expected: str | None) -> None:
    assert follow(location, configured, configured) == expected


def test_redirects_in_a_circle_end(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(307, Location=endpoint.url + "v2.1/track")
    assert transport.post(line(1), 5) == Answer(False)
    assert len(endpoint.posts) <= 10
    endpoint.heal()
    assert transport.post(line(1), 5) == Answer(True)


def test_an_endpoint_that_was_moved_to_and_fails_is_left_again(transport: Transport, endpoint: Endpoint) -> None:
    with Endpoint() as other:
        endpoint.fail(307, times=1, Location=other.url + "v2.1/track")
        assert transport.post(line(1), 5) == Answer(True)
        other.fail(404)
        assert not transport.post(line(2), 5).delivered
        assert transport.post(line(2), 5) == Answer(True)
        assert (numbers(other.items), numbers(endpoint.items)) == ([1], [2])


def test_a_connection_that_the_endpoint_closed_costs_nothing(transport: Transport, endpoint: Endpoint) -> None:
    assert transport.post(line(1), 5) == Answer(True)
    endpoint.refuse()
    endpoint.accept()
    assert transport.post(line(2), 5) == Answer(True)
    assert numbers(endpoint.items) == [1, 2]
    assert endpoint.connections == 2


def test_a_forked_child_lets_go_without_waiting_for_the_parent_s_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}")
        poster = threading.Thread(target=transport.post, args=(line(1), 10))
        poster.start()
        connection, _ = server.accept()
        with connection:
            # Half an answer: the thread holds the lock of what it reads from.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
            time.sleep(0.2)
            child = threading.Thread(target=transport.abandon)
            child.start()
            child.join(5)
            waits = child.is_alive()
        poster.join()
        child.join()
    assert not waits
