"""Real servers: gunicorn with two workers under a peer, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
from typing import Iterator, Mapping, NamedTuple, Sequence

from benchmarks import environments
from benchmarks.environments import HERE
from benchmarks.peers import Peer
from benchmarks.processes import PeerError, Place, command, last_words

PATIENCE = 60.0
# Longer than the 30 s that gunicorn gives its workers.
STOP = 40.0
OPTIONS = ("--workers=2", "--log-level=error")
REQUEST = b"GET /users/42 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
ANSWER = b"\r\n\r\nuser 42"


class Server(NamedTuple):
    """A running server: its process, its port, and the seconds until its first response."""

    process: subprocess.Popen[bytes]
    port: int
    first: float


@contextlib.contextmanager
def serving(
    peer: Peer, framework: str, place: Place, key: str, extra: Mapping[str, str] | None = None, more: Sequence[str] = ()
) -> Iterator[Server]:
    """Run gunicorn under a peer, with `extra` variables and `more` options, until the block ends; raises PeerError."""
    port = free_port()
    words = command(peer, "gunicorn", f"--bind=127.0.0.1:{port}", *OPTIONS, *more, f"{framework}_app:app")
    log = place.folder / f"{peer.name}-gunicorn-{port}.log"
    env = environments.environment(peer, framework, extra or {}, place.names(key))
    began = time.perf_counter()
    process = spawn(words, log, HERE / "apps" / peer.apps, env)
    try:
        wait_for_response(process, port, log)
        yield Server(process, port, time.perf_counter() - began)
    finally:
        stop(process)


def spawn(
    words: Sequence[str], log: pathlib.Path, where: pathlib.Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own; all that it says goes to `log`."""
    with open(log, "wb") as output:
        return subprocess.Popen(
            list(words),
            cwd=where,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_for_response(process: subprocess.Popen[bytes], port: int, log: pathlib.Path) -> None:
    """Ask until a server answers; raises PeerError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            return get(port)
        except OSError:
            time.sleep(0.005)
    raise PeerError(f"gunicorn does not start: {last_words(log)}")


def get(port: int) -> None:
    """Make one request over a connection of its own, so that both workers get some."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/users/42")
        response = connection.getresponse()
        if response.status != 200 or response.read() != b"user 42":
            raise PeerError(f"gunicorn answers {response.status}")
    finally:
        connection.close()


def load(port: int, seconds: float, connections: int) -> int:
    """Make requests without a pause over kept-alive connections; return how many were answered, raises PeerError.

    Each connection makes one at least, however long it took to be made.
    """
    answered = [0] * connections
    errors: list[Exception] = []
    end = time.monotonic() + seconds

    def talk(index: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                while not answered[index] or time.monotonic() < end:
                    exchange(connection)
                    answered[index] += 1
        except (OSError, PeerError) as error:
            errors.append(error)

    threads = [threading.Thread(target=talk, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise PeerError(f"{len(errors)} of {connections} connections broke: {errors[0]}")
    return sum(answered)


def exchange(connection: socket.socket) -> None:
    """Make one request over a connection and read the whole response; raises OSError, PeerError."""
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(ANSWER):
        chunk = connection.recv(4096)
        if not chunk:
            break
        received += chunk
    if not received.startswith(b"HTTP/1.1 200 ") or not received.endswith(ANSWER):
        raise PeerError(f"gunicorn answers {received[:100]!r}")


def count(place: Place, key: str, items: int = 0, seconds: float = 0.0) -> dict[str, int]:
    """Wait for `items` at most `seconds`; return what the endpoint has of a key, see endpoint.py."""
    connection = http.client.HTTPConnection(place.url.partition("//")[2], timeout=seconds + PATIENCE)
    try:
        connection.request("GET", f"/count/{key}?items={items}&seconds={seconds}")
        counted: dict[str, int] = json.loads(connection.getresponse().read())
        return counted
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> float:
    """End a server, its workers with it; return the seconds that it took."""
    began = time.perf_counter()
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return time.perf_counter() - began


def processes_of(session: int) -> list[int]:
    """Return the processes of a session, none where /proc does not tell."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError):
            if name.isdigit() and os.getsid(int(name)) == session:
                found.append(int(name))
    return found


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
