"""Load that goes on while an endpoint or a process fails, and the account of it: answered against arrived."""

from __future__ import annotations

import collections
import contextlib
import itertools
import re
import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import Iterable, Iterator, NamedTuple

from tests.endpoint import Endpoint

# What the product says of items that will never arrive, in whatever words.
LOSS = re.compile(r"^autotrace: (?=.*\b(?:dropped|lost)\b).*?\b(\d+) (?:\w+ )?items", re.MULTILINE)


class Account(NamedTuple):
    """What became of numbered requests: how many were answered, arrived, arrived twice or more, and never arrived."""

    answered: int
    arrived: int
    twice: int
    lost: int


class Traffic:
    """Requests to a server, each with a number of its own; `answered` has those whose whole answer was read."""

    def __init__(self, port: int, first: int = 0, threads: int = 4, pause: float = 0.005) -> None:
        self.answered: set[int] = set()
        self.failed: set[int] = set()
        self._port = port
        self._pause = pause
        self._numbers = itertools.count(first)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._talk) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> set[int]:
        """Let the last requests end; return the numbers of the answered ones."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.answered

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many more requests were answered."""
        wanted = len(self.answered) + count
        end = time.monotonic() + seconds
        while len(self.answered) < wanted:
            assert time.monotonic() < end, f"only {len(self.answered)} of {wanted} requests were answered"
            time.sleep(0.01)

    def _talk(self) -> None:
        client = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.wait(self._pause):
            number = next(self._numbers)
            try:
                client.request("GET", f"/users/{number}")
                response = client.getresponse()
                body = response.read()
            except (OSError, HTTPException):
                # The process that had it is gone: whether it will arrive is open.
                self.failed.add(number)
                client.close()
                continue
            assert (response.status, body) == (200, f"user {number}".encode())
            self.answered.add(number)
        client.close()


@contextlib.contextmanager
def traffic(port: int, first: int = 0, threads: int = 4) -> Iterator[Traffic]:
    """Load a server with numbered requests until the block ends."""
    running = Traffic(port, first, threads)
    try:
        yield running
    finally:
        running.stop()


def arrivals(*endpoints: Endpoint) -> collections.Counter[int]:
    """Count the arrivals of each number."""
    urls = [item["data"]["baseData"]["url"] for endpoint in endpoints for item in endpoint.requests()]
    return collections.Counter(int(url.rpartition("/users/")[2]) for url in urls)


def settle(answered: Iterable[int], *endpoints: Endpoint, seconds: float = 60.0) -> Account:
    """Wait until all answered requests have arrived, or `seconds` have passed; return the account."""
    wanted = set(answered)
    end = time.monotonic() + seconds
    while not wanted <= arrivals(*endpoints).keys() and time.monotonic() < end:
        time.sleep(0.05)
    return account(wanted, *endpoints)


def account(answered: Iterable[int], *endpoints: Endpoint) -> Account:
    """Compare answered requests with what has arrived."""
    wanted, found = set(answered), arrivals(*endpoints)
    twice = sum(count > 1 for count in found.values())
    result = Account(len(wanted), len(wanted & found.keys()), twice, len(wanted - found.keys()))
    # Shown by pytest -rP.
    print(result)  # noqa: T201
    return result


def said_lost(stderr: str) -> int:
    """Add up the numbers of items that the product says are lost."""
    return sum(map(int, LOSS.findall(stderr)))
