"""The measured process: `python driver.py MODULE COUNT_URL` calls MODULE.app as a server does.

It reads one JSON command a line on stdin, the arguments of `work`, and answers each with one JSON line on stdout.
"""

from __future__ import annotations

import gc
import importlib
import io
import itertools
import json
import os
import random
import socket
import sys
import time
from typing import Any, Callable, Iterator
from wsgiref.util import FileWrapper

# Seconds that the endpoint may take to get everything.
PATIENCE = 10.0
PARENTS = 5000
BASE = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/users/42",
    "RAW_URI": "/users/42",
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SERVER_SOFTWARE": "gunicorn/23.0.0",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "51234",
    "HTTP_HOST": "shop.test",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
    "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.9",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
}


def parents(flags: str) -> Iterator[str]:
    """Yield a traceparent header for every second request and "" for the others, without end; all "" without flags."""
    if not flags:
        return itertools.repeat("")
    made = []
    for number in range(PARENTS):
        trace, span = random.getrandbits(128) | 1, random.getrandbits(64) | 1
        made.append(f"00-{trace:032x}-{span:016x}-{flags}" if number % 2 else "")
    return itertools.cycle(made)


def call(app: Callable[..., Any], parent: str) -> None:
    """Make one request and read the whole response."""
    answer: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        answer[:] = [status, headers]
        return lambda data: None

    environ = dict(BASE)
    environ["wsgi.input"] = io.BytesIO(b"")
    if parent:
        environ["HTTP_TRACEPARENT"] = parent
    body = app(environ, start_response)
    try:
        read = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    if read != b"user 42" or answer[0] != "200 OK":
        raise AssertionError(f"the application answered {answer} {read!r}")


def percentile(taken: list[int], share: float) -> float:
    """Return the microseconds below which a share of some nanoseconds lie."""
    return sorted(taken)[int(len(taken) * share)] / 1000


class Driver:
    """The application under measurement; `count_url` is where the endpoint tells what has arrived."""

    def __init__(self, app: Callable[..., Any], count_url: str) -> None:
        self.app = app
        address, _, self.target = count_url.partition("//")[2].partition("/")
        host, _, port = address.partition(":")
        self.endpoint = (host, int(port))
        self.sent = self.arrived = 0

    def work(self, seconds: float, flags: str, sends: bool, settle: float, batch: int) -> dict[str, float]:
        """Call in a row; return what a request costs in microseconds and what the endpoint has.

        `flags` is the caller's decision in the traceparent headers, `sends` whether each request is to arrive at
        the endpoint as an item; `settle` is the seconds to wait for a peer whose items it cannot count. `batch` is
        how many requests are made at least, and what their number is a multiple of.
        """
        headers = parents(flags)
        gc.collect()
        before, main = time.process_time(), time.thread_time()
        taken, waited = self.call_for(seconds, headers, batch)
        main = (time.thread_time() - main) / len(taken) * 1e6
        time.sleep(settle)
        # What an earlier round lost is not waited for again.
        expected = self.arrived + (len(taken) if sends else 0)
        counted = self.wait(expected)
        self.sent += len(taken) if sends else 0
        self.arrived = counted["items"]
        cpu = (time.process_time() - before) / len(taken) * 1e6
        shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        percentiles = {name: percentile(taken, share) for name, share in shares.items()}
        # Of all other threads since the start of the process.
        others = (time.process_time() - time.thread_time()) * 1e6
        own = {"made": len(taken), "main": main, "others": others}
        return {"cpu": cpu, **own, **percentiles, "wall p99": percentile(waited, 0.99), **counted, "sent": self.sent}

    def call_for(self, seconds: float, headers: Iterator[str], batch: int) -> tuple[list[int], list[int]]:
        """Call for about `seconds`, whole batches; return how many nanoseconds each call took, and the caller waited.

        A call counts while any thread of this process runs, so waiting for another of its threads counts, and
        standing still for other programs on the machine does not. Nor does standing still for the disk, which is
        why the time that the caller waited is measured too.
        """
        taken: list[int] = []
        waited: list[int] = []
        wall, cpu = time.perf_counter_ns, time.process_time_ns
        end = wall() + int(seconds * 1e9)
        while not taken or len(taken) % batch or wall() < end:
            parent = next(headers)
            started, used = wall(), cpu()
            call(self.app, parent)
            used = cpu() - used
            passed = wall() - started
            taken.append(min(passed, used))
            waited.append(passed)
        return taken, waited

    def wait(self, items: int) -> dict[str, int]:
        """Sleep until the endpoint has `items` items; return what it counted.

        A bare socket, because launchers that trace outgoing calls know nothing of it.
        """
        with socket.create_connection(self.endpoint) as connection:
            query = f"{self.target}?items={items}&seconds={PATIENCE}"
            connection.sendall(f"GET /{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    break
                received += chunk
        counted: dict[str, int] = json.loads(received.partition(b"\r\n\r\n")[2])
        return counted


def main(module: str, count_url: str) -> None:
    """Import the application and obey until stdin ends."""
    # In place of this file's directory, whose modules are none of the application's business.
    sys.path[0] = os.getcwd()
    driver = Driver(importlib.import_module(module).app, count_url)
    for line in sys.stdin:
        answer = driver.work(**json.loads(line))
        print(json.dumps(answer), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
