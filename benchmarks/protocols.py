"""What the endpoint understands and answers: one function for each protocol that a peer speaks."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence, Tuple

# (the key of the process that sent it, what tells it from other items of that process)
Item = Tuple[str, object]


class Received(NamedTuple):
    """What a request to the endpoint brought, and its answer: `body` as JSON, or as it is when it is bytes."""

    items: Sequence[Item] = ()
    status: int = 200
    body: Any = None
    content_type: str = "application/json; charset=utf-8"


def receive(path: str, query: Mapping[str, str], encoding: str, body: bytes) -> Received:
    """Understand a request by its path; what nobody knows is answered with an empty object."""
    for end, understand in PROTOCOLS.items():
        if path.endswith(end):
            return understand(path, query, decompress(body, encoding))
    return Received(body={})


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding."""
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


def application_insights(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Azure's ingestion: a JSON array, or one object a line. Requests are counted, by their id."""
    text = body.strip()
    envelopes = json.loads(text) if text.startswith(b"[") else [json.loads(line) for line in text.splitlines()]
    pairs = ((envelope["iKey"].lower(), envelope["data"]) for envelope in envelopes)
    items = [(key, data["baseData"].get("id")) for key, data in pairs if data["baseType"] == "RequestData"]
    return Received(items, body={"itemsReceived": len(envelopes), "itemsAccepted": len(envelopes), "errors": []})


def otlp(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """OpenTelemetry's ExportTraceServiceRequest; the path begins with the key."""
    key = path.split("/")[1]
    spans = [
        next(fields(span, 2), b"")
        for resource in fields(body, 1)
        for scope in fields(resource, 2)
        for span in fields(scope, 2)
    ]
    return Received([(key, span) for span in spans], body=b"", content_type="application/x-protobuf")


def fields(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the fields of a protobuf message that have a number and a length, such as strings and messages."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind == 0:
            _, at = varint(message, at)
        elif kind == 2:
            size, at = varint(message, at)
            if tag >> 3 == number:
                yield message[at : at + size]
        at += size


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Read an integer of protobuf at a place; return it and the place behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def datadog(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Traces for the agent of Datadog: strings, and spans that name them by number; a request is a list of spans."""
    # One peer alone needs it.
    import msgpack

    # The numbers of strings are keys of maps, too.
    strings, traces = msgpack.unpackb(body, strict_map_key=False)
    # A span begins with its service, which is the key, its name, its resource, and the ids of its trace and its own.
    items = [(strings[spans[0][0]], spans[0][4]) for spans in traces]
    return Received(items, body={"rate_by_service": {"service:,env:": 1.0}})


def datadog_info(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Say what the agent of Datadog can do."""
    return Received(body={"version": "7.60.0", "endpoints": ["/v0.5/traces"], "client_drop_p0s": False})


def elastic(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Events for the APM server of Elastic, one a line; the service that the first line names is the key."""
    lines = body.splitlines()
    key = json.loads(lines[0])["metadata"]["service"]["name"] if lines else ""
    requests = [json.loads(line) for line in lines if line.startswith(b'{"transaction"')]
    return Received([(key, request["transaction"]["id"]) for request in requests], 202, b"")


def elastic_info(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Say which version the APM server of Elastic has; agents send older ones what is not sampled, too."""
    return Received(body={"version": "8.15.0"})


def new_relic(path: str, query: Mapping[str, str], body: bytes) -> Received:
    """Play the collector of New Relic: counted is nothing, as its agent sends sums and a choice of the requests.

    The collector tells how often the events are sent: once a second, as from the other peers. It allows a sixtieth
    of the 10,000 requests and 2,000 spans a minute that it allows by default.
    """
    limits = {"analytic_event_data": 166, "span_event_data": 33, "custom_event_data": 0, "error_event_data": 0}
    answers: Mapping[str, Any] = {
        "preconnect": {"redirect_host": "127.0.0.1"},
        "connect": {
            "agent_run_id": "1",
            "account_id": "1",
            "trusted_account_key": "1",
            "application_id": "1",
            "primary_application_id": "1",
            "collect_analytics_events": True,
            "collect_span_events": True,
            "event_harvest_config": {"report_period_ms": 1000, "harvest_limits": limits},
            "span_event_harvest_config": {"report_period_ms": 1000, "harvest_limit": 33},
        },
        "get_agent_commands": [],
    }
    return Received(body={"return_value": answers.get(query.get("method", ""))})


# How a path ends → who understands it.
PROTOCOLS: Mapping[str, Callable[[str, Mapping[str, str], bytes], Received]] = {
    "/track": application_insights,
    "/v1/traces": otlp,
    "/v0.5/traces": datadog,
    "/info": datadog_info,
    "/intake/v2/events": elastic,
    "/invoke_raw_method": new_relic,
    "/": elastic_info,
}
