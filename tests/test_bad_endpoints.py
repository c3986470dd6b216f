"""What an endpoint or the network may do wrong: a post ends in time, and what was not accepted is kept."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from typing import Callable, Iterator

import pytest

from autotrace import guard
from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.endpoint import Endpoint
from tests.journals import line, numbers

SECONDS = 1.0
# A post may go on a little longer than told, and this machine may be busy; what it must not do is to go on for ever.
SLACK = 2.0
Talk = Callable[[socket.socket], object]


@pytest.fixture(autouse=True)
def _says_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_said", set())


@contextlib.contextmanager
def listening(talk: Talk) -> Iterator[str]:
    """Yield the URL of a server on loopback that handles each connection with `talk`, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server, talk), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def accept(server: socket.socket, talk: Talk) -> None:
    """Take connections until the server is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection, talk), daemon=True).start()


def handle(connection: socket.socket, talk: Talk) -> None:
    """Talk to one client; it may go at any time."""
    with connection, contextlib.suppress(OSError):
        talk(connection)


def post(talk: Talk, lines: bytes = line(1)) -> Answer:
    """Post lines to such a server, and see to it that this ends in time."""
    with listening(talk) as url:
        transport = Transport(url)
        started = time.monotonic()
        answer = transport.post(lines, SECONDS)
        took = time.monotonic() - started
        transport.close()
    assert took < SECONDS + SLACK
    return answer


def read_request(connection: socket.socket) -> None:
    """Read a request to its end."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65_536)


def say(*parts: bytes, pause: float = 0.0, reset: bool = False) -> Talk:
    """Return what reads a request and sends these parts, a pause in front of each; `reset` ends with a TCP reset."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts:
            time.sleep(pause)
            connection.sendall(part)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def forever(first: bytes, again: bytes, pause: float = 0.0) -> Talk:
    """Return what reads a request, sends `first`, and then `again` until the client goes."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(first)
        while True:
            time.sleep(pause)
            connection.sendall(again)

    return talk


def silence(connection: socket.socket) -> None:
    """Read nothing and say nothing until the client goes."""
    time.sleep(SECONDS + SLACK)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NOT_DELIVERED: dict[str, Talk] = {
    "nothing": silence,
    "an early end": say(),
    "a reset": say(reset=True),
    "half a status line": say(b"HTTP/1.1 2"),
    "a reset in the headers": say(b"HTTP/1.1 200 OK\r\nContent-Le", reset=True),
    "another protocol": say(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "binary garbage": say(bytes(range(256)) * 100),
    "a page without headers": say(b"<html>welcome</html>"),
    "a status that is none": say(b"HTTP/1.1 two OK\r\n\r\n"),
    "endless headers": forever(b"HTTP/1.1 200 OK\r\n", b"X-More: of the same\r\n"),
    "an endless header": forever(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096),
    "endless patience": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "headers that trickle": forever(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.05),
    "an error page that trickles": forever(b"HTTP/1.1 503 Later\r\nContent-Length: 9999\r\n\r\n", b"y", 0.05),
    "an error page that is cut": say(b"HTTP/1.1 500 No\r\nContent-Length: 9999\r\n\r\n<html>", reset=True),
    "half a list of what is refused": say(b'HTTP/1.1 206 Some\r\nContent-Length: 9999\r\n\r\n{"errors": [', reset=True),
    "a list of what is refused that trickles": forever(b"HTTP/1.1 206 Some\r\nContent-Length: 99\r\n\r\n", b" ", 0.05),
    "chunks that are none": say(b"HTTP/1.1 206 Some\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a length that is none": say(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"),
}
DELIVERED: dict[str, Talk] = {
    "no JSON": say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"),
    "no body": say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "neither length nor end": say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100),
    "an answer in many pieces": say(*(bytes([byte]) for byte in OK), pause=0.001),
    "a cut body": say(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{", reset=True),
    "a body that trickles": forever(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"y", 0.05),
    "a body without end": forever(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"y" * 65_536),
    "a hundred and one": say(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, OK),
}


@pytest.mark.parametrize("what", NOT_DELIVERED)
def test_what_is_no_answer_keeps_the_lines(what: str) -> None:
    assert post(NOT_DELIVERED[what]) == Answer(False)


@pytest.mark.parametrize("what", DELIVERED)
def test_the_status_is_the_answer(what: str) -> None:
    assert post(DELIVERED[what]) == Answer(True)


def test_an_endpoint_that_does_not_read_holds_nobody_up() -> None:
    # More than the buffers between them take.
    assert post(silence, b"".join(line(number, os.urandom(40_000).hex()) for number in range(100))) == Answer(False)


def test_what_is_said_before_the_end_of_the_request_counts() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 429 Later\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        # Read on as servers do that want their answer to arrive.
        while connection.recv(65_536):
            pass

    lines = b"".join(line(number, os.urandom(40_000).hex()) for number in range(100))
    assert post(refuse, lines) == Answer(False, retry_after=77.0)


def test_a_port_that_nobody_listens_on(endpoint: Endpoint) -> None:
    endpoint.refuse()
    assert Transport(endpoint.url.rstrip("/")).post(line(1), SECONDS) == Answer(False)


NO_NAMES = ["nobody.invalid", "a" * 64 + ".test", "double..dot"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_not_known(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    guard.set_level("info")
    assert Transport(f"http://{name}").post(line(1), SECONDS) == Answer(False)
    guard.set_level("warning")
    said = capfd.readouterr().err
    assert said.startswith(f"autotrace: cannot reach http://{name}: ")
    assert said.endswith("; telemetry waits in the spool\n")


NONSENSE = [
    b"", b"fine", b"null", b"[]", b"{}", b'{"errors": 5}', b'{"errors": {"index": 0}}', b'{"errors": [1, null, "x"]}',
    b'{"errors": [{"index": "0", "statusCode": 500}]}', b'{"errors": [{"index": 7, "statusCode": 500}]}',
    b'{"errors": [{"index": -1, "statusCode": 500}]}', b'{"errors": [{"index": 0, "statusCode": true}]}',
    b"[" * 100_000, b"\xff\xfe{",
]  # fmt: skip


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_a_partial_answer_that_makes_no_sense(body: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    head = b"HTTP/1.1 206 Some\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert post(say(head + body)) == Answer(True), "what was accepted must not arrive twice"
    assert capfd.readouterr().err.count("does not say which: they are lost") == 1


def test_after_any_of_it_the_connection_is_a_new_one() -> None:
    with Endpoint() as endpoint:
        transport = Transport(endpoint.url.rstrip("/"))
        for number in range(3):
            endpoint.hang()
            assert not transport.post(line(number), 0.2).delivered
            endpoint.heal()
            assert transport.post(line(number), SECONDS).delivered
        transport.close()
        assert numbers(endpoint.items) == [0, 1, 2]
