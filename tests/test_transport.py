"""What becomes of one post: too large, redirected, or sent on a connection that is no more."""

from __future__ import annotations

import socket
import threading
import time
from typing import Iterator

import pytest

from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.endpoint import Endpoint
from tests.journals import line, numbers


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
    endpoint.heal()
    assert transport.post(line(1), 5) == Answer(True)


def test_redirects_in_a_circle_end(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.fail(307, Location=endpoint.url + "v2.1/track")
    assert transport.post(line(1), 5) == Answer(False)
    assert len(endpoint.posts) <= 10


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
