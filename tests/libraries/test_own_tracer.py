"""Calls outside of requests are spans of the tracer that the application has of its own, and nothing without one."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import Any, Iterator

import pytest
from opencensus.trace import execution_context, samplers
from opencensus.trace.tracer import Tracer

from tests import outgoing

outgoing.patch("http_client")
outgoing.patch("sqlite3")


class Kept:
    """An OpenCensus exporter that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, span_datas: list[Any]) -> None:
        self.spans += span_datas


@pytest.fixture
def neighbour() -> Iterator[outgoing.Neighbour]:
    with outgoing.neighbour() as running:
        yield running


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter = Kept()
    yield exporter
    execution_context.clear()


# Of OpenCensus's own spans.
@pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
def test_calls_are_spans_below_the_current_one(kept: Kept, neighbour: outgoing.Neighbour) -> None:
    tracer = Tracer(exporter=kept, sampler=samplers.AlwaysOnSampler())
    with tracer.span("outer") as outer:
        first, second = (HTTPConnection("127.0.0.1", neighbour.port) for _ in "ab")
        first.request("GET", "/first")
        second.request("GET", "/second")
        # In the order of their beginning, and one not at all.
        for connection in (first, second):
            connection.getresponse().read()
            connection.close()
        HTTPConnection("127.0.0.1", neighbour.port).putrequest("GET", "/abandoned")
        assert tracer.current_span() is outer
    told = {span.name: span for span in kept.spans}
    assert set(told) == {"GET /first", "GET /second", "outer"}
    assert {told[name].parent_span_id for name in ("GET /first", "GET /second")} == {outer.span_id}
    assert told["GET /first"].attributes["http.url"] == f"{neighbour.url}/first"
    sent = [headers["traceparent"].split("-")[1:3] for headers in neighbour.headers]
    trace_id = tracer.span_context.trace_id
    assert sorted(sent) == sorted([trace_id, told[name].span_id] for name in ("GET /first", "GET /second"))


def test_traces_that_are_not_kept_have_no_spans(kept: Kept, neighbour: outgoing.Neighbour) -> None:
    Tracer(exporter=kept, sampler=samplers.AlwaysOffSampler())
    connection = HTTPConnection("127.0.0.1", neighbour.port)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()
    assert kept.spans == []
