"""http.client and what is made of it: urllib."""

from __future__ import annotations

import socket
import urllib.request
from http.client import HTTPConnection, InvalidURL
from typing import Iterator

import pytest

from autotrace.propagation import b3
from tests import outgoing
from tests.harness import free_port, wait_until
from tests.recordings import said

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("http_client")
    with outgoing.neighbour() as running:
        yield running


def ask(url: str) -> None:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - of this test's own service
        answer.read()


def test_a_call_is_told_without_secrets(neighbour: outgoing.Neighbour) -> None:
    seen = outgoing.record(lambda: ask(f"{neighbour.url}/items/7?token=s3cret#part"))
    assert seen.said() == [
        {
            "name": "GET /items/7",
            "resultCode": "200",
            "success": True,
            "type": "Http",
            "target": neighbour.site,
            "data": f"{neighbour.url}/items/7?token=REDACTED",
        }
    ]
    assert neighbour.headers[-1]["traceparent"] == outgoing.parent_of(seen.calls[0])


def test_status_decides_on_success(neighbour: outgoing.Neighbour) -> None:
    def view() -> None:
        connection = HTTPConnection("127.0.0.1", neighbour.port)
        for status in (201, 399, 400, 404, 500):
            connection.request("POST", f"/{status}", b"body")
            connection.getresponse().read()
        connection.close()

    told = [(one["resultCode"], one["success"]) for one in outgoing.record(view).said()]
    assert told == [("201", True), ("399", True), ("400", False), ("404", False), ("500", False)]


def test_each_hop_of_a_redirect_is_a_call(neighbour: outgoing.Neighbour) -> None:
    seen = outgoing.record(lambda: ask(f"{neighbour.url}/redirect/there"))
    assert [(one["name"], one["resultCode"]) for one in seen.said()] == [
        ("GET /redirect/there", "302"),
        ("GET /there", "200"),
    ]


def test_failures_are_calls_too(neighbour: outgoing.Neighbour) -> None:
    nobody = free_port()

    def view() -> None:
        with pytest.raises(OSError, match="refused"):
            ask(f"http://127.0.0.1:{nobody}/")
        silent = socket.create_server(("127.0.0.1", 0))
        connection = HTTPConnection("127.0.0.1", silent.getsockname()[1], timeout=0.1)
        connection.request("GET", "/slow")
        with pytest.raises(socket.timeout):
            connection.getresponse()
        connection.close()
        abandoned = HTTPConnection("127.0.0.1", neighbour.port)
        seen = len(neighbour.headers)
        abandoned.request("GET", "/abandoned")
        abandoned.close()
        # It arrives all the same, and is not to be taken for one of the next test.
        wait_until(lambda: len(neighbour.headers) > seen)
        unsent = HTTPConnection("127.0.0.1", neighbour.port)
        with pytest.raises(InvalidURL):
            unsent.request("GET", "/with blank")
        silent.close()

    told = [(one["name"], one["resultCode"], one["success"]) for one in outgoing.record(view).said()]
    timeout = socket.timeout.__name__
    assert told == [
        ("GET /", "ConnectionRefusedError", False),
        ("GET /slow", timeout, False),
        ("GET /abandoned", "ConnectionAbortedError", False),
    ]


def test_headers_of_the_application_stay(neighbour: outgoing.Neighbour) -> None:
    def view() -> None:
        connection = HTTPConnection("127.0.0.1", neighbour.port)
        connection.request("GET", "/", headers={"TraceParent": "of its own"})
        connection.getresponse().read()
        connection.close()

    outgoing.record(view, caller={"HTTP_TRACEPARENT": CALLER, "HTTP_TRACESTATE": "a=1"})
    assert neighbour.headers[-1]["traceparent"] == "of its own"
    assert "tracestate" not in neighbour.headers[-1]
    outgoing.record(lambda: ask(neighbour.url), caller={"HTTP_TRACEPARENT": CALLER, "HTTP_TRACESTATE": "a=1"})
    assert neighbour.headers[-1]["tracestate"] == "a=1"


def test_the_trace_goes_on_as_the_settings_say(neighbour: outgoing.Neighbour) -> None:
    (call,) = outgoing.record(lambda: ask(neighbour.url), extract=b3).calls
    headers = neighbour.headers[-1]
    assert "traceparent" not in headers
    assert headers["x-b3-traceid"] == call["tags"]["ai.operation.id"]
    assert (headers["x-b3-spanid"], headers["x-b3-sampled"]) == (said(call)["id"], "1")


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:{port}"])
def test_hidden_hosts_are_left_alone(neighbour: outgoing.Neighbour, entry: str) -> None:
    hosts = [entry.format(port=neighbour.port)]
    assert outgoing.record(lambda: ask(neighbour.url), hidden_hosts=hosts).calls == []
    assert "traceparent" not in neighbour.headers[-1]


def test_nothing_is_recorded_outside_of_requests(neighbour: outgoing.Neighbour) -> None:
    ask(neighbour.url)
    assert "traceparent" not in neighbour.headers[-1]
