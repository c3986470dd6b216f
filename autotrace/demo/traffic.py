"""The requests that the demonstration sends, and what came back."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Mapping, NamedTuple

HEALTH = "/health"


class Visit(NamedTuple):
    """A request to send, and how many requests to the three services it makes in all, itself included.

    `share` is how often it is among the visits that go on while somebody looks at the page.
    """

    service: str
    method: str
    target: str
    requests: int
    share: int = 0


# What a browser or a gateway might send: routes with an id, pages that are not there, errors, a slow one, a stream.
VISITS = (
    Visit("shop", "GET", "/", 2, 8),
    Visit("shop", "GET", "/products/17?voucher=summer", 2, 8),
    Visit("shop", "GET", "/products/42", 2, 6),
    Visit("shop", "GET", "/products/99", 2, 1),
    Visit("shop", "GET", "/no-such-page", 1, 1),
    Visit("shop", "GET", "/basket", 1, 1),
    Visit("shop", "GET", HEALTH, 0),
    Visit("shop", "GET", "/search?word=lamp", 2, 2),
    Visit("catalogue", "GET", "/export", 1, 1),
    Visit("catalogue", "GET", HEALTH, 0),
    Visit("stock", "GET", "/recount", 1),
    Visit("stock", "GET", HEALTH, 0),
    Visit("shop", "POST", "/orders/17", 3, 5),
    Visit("shop", "POST", "/orders/13", 3, 1),
)
# Seconds between visits that go on.
PAUSE = 0.15


class NoAnswerError(Exception):
    """A service did not answer; `service` is its name."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"{service} does not answer: {why}")
        self.service = service


def send(port: int, end: float, visit: Visit) -> int:
    """Send one request, read all of its answer and return the status.

    `end`, by the monotonic clock, is how long the service may take; NoAnswerError after that.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=max(end - time.monotonic(), 0.1))
    try:
        connection.request(visit.method, visit.target, headers={"User-Agent": "autotrace-demo"})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        raise NoAnswerError(visit.service, str(error) or type(error).__name__) from error
    finally:
        connection.close()
    return response.status


def go_on(ports: Mapping[str, int], stopped: threading.Event) -> None:
    """Send one request after the other until `stopped`."""
    chosen = [visit for visit in VISITS for _ in range(visit.share)]
    while not stopped.wait(random.expovariate(1 / PAUSE)):
        visit = random.choice(chosen)  # noqa: S311 - which request comes next is no secret
        # Whoever looks at the page sees it.
        with suppress(NoAnswerError):
            send(ports[visit.service], time.monotonic() + 10, visit)
