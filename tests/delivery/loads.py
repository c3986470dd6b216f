"""Numbered requests, each in a trace of its own, and what became of them at the endpoint."""

from __future__ import annotations

import collections
import pathlib

from tests.endpoint import Endpoint
from tests.harness import Request, environment, exchange, load, request, run_command, script

# The blacklist hides it by default.
PROBE = request("GET", "/_ah/health", host="127.0.0.1")


def numbered(number: int, **headers: str) -> Request:
    """Write down the request of a number."""
    trace = f"00-{number + 1:032x}-{number + 1:016x}-01"
    return Request("GET", f"/users/{number}", {"traceparent": trace, **headers})


def answer(port: int, first: int, count: int, connections: int = 6, keep: bool = True) -> set[int]:
    """Send numbered requests, see that each is answered, and return their numbers.

    With `keep` the first half of them keeps its connections.
    """
    half = first + (count // 2 if keep else 0)
    requests = [numbered(number) for number in range(first, half)]
    requests += [numbered(number, Connection="close") for number in range(half, first + count)]
    answers = load(port, requests, connections)
    assert {each.status for each in answers} == {200}
    return set(range(first, first + count))


def wait_until_idle(port: int) -> None:
    """Wait until a server with one thread is done with all requests: wsgiref swallows a Ctrl-C in the middle of one."""
    exchange(port, PROBE)


def arrivals(endpoint: Endpoint) -> collections.Counter[int]:
    """Count the arrivals of each number; requests without one have a trace id of the server's own."""
    traces = [int(item["tags"]["ai.operation.id"], 16) for item in endpoint.requests()]
    return collections.Counter(trace - 1 for trace in traces if trace < 1 << 64)


def flush(folder: pathlib.Path, endpoint: Endpoint) -> None:
    """Have `autotrace flush` send what a server that had its files in `folder` has left."""
    done = run_command([script("autotrace"), "flush"], environment(folder, endpoint))
    assert done.code == 0, done
