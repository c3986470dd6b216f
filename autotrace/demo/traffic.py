"""The requests that the demonstration sends, and what came back."""

from __future__ import annotations

import secrets
import time
from http.client import HTTPConnection, HTTPException
from typing import Mapping, NamedTuple

HEALTH = "/health"
# What a browser or a gateway might send: routes with an id, pages that are not there, errors, a stream.
VISITS = (
    ("shop", "GET", "/"),
    ("shop", "GET", "/products/17?voucher=summer"),
    ("shop", "GET", "/products/42"),
    ("shop", "GET", "/no-such-page"),
    ("shop", "GET", "/basket"),
    ("shop", "GET", HEALTH),
    ("catalogue", "GET", "/products/42"),
    ("catalogue", "GET", "/products/99"),
    ("catalogue", "GET", "/export"),
    ("catalogue", "GET", HEALTH),
    ("stock", "GET", "/levels/42"),
    ("stock", "GET", "/recount"),
    ("stock", "GET", HEALTH),
)
# One operation that passes through all three services.
PURCHASE = (
    ("shop", "POST", "/orders"),
    ("catalogue", "GET", "/products/17"),
    ("stock", "GET", "/levels/17"),
)


class Sent(NamedTuple):
    """A request that was answered: where it went, the status, and the operation id that it was sent with."""

    service: str
    method: str
    target: str
    status: int
    operation: str | None


class NoAnswerError(Exception):
    """A service did not answer; `service` is its name."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"{service} does not answer: {why}")
        self.service = service


def visit(ports: Mapping[str, int], end: float) -> list[Sent]:
    """Send all requests to the services' `ports`; NoAnswerError when one is not answered by `end`."""
    operation = secrets.token_hex(16)
    return [
        *(send(ports[name], end, name, method, target) for name, method, target in VISITS),
        *(send(ports[name], end, name, method, target, operation) for name, method, target in PURCHASE),
    ]


def send(port: int, end: float, service: str, method: str, target: str, operation: str | None = None) -> Sent:
    """Send one request, within the trace `operation` where one is given, and read all of its answer.

    `end`, by the monotonic clock, is how long the service may take; NoAnswerError after that.
    """
    headers = {"User-Agent": "autotrace-demo"}
    if operation is not None:
        headers["traceparent"] = f"00-{operation}-{secrets.token_hex(8)}-01"
    connection = HTTPConnection("127.0.0.1", port, timeout=max(end - time.monotonic(), 0.1))
    try:
        connection.request(method, target, headers=headers)
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        raise NoAnswerError(service, str(error) or type(error).__name__) from error
    finally:
        connection.close()
    return Sent(service, method, target, response.status, operation)
