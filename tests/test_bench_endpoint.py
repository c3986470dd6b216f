"""The benchmarks' endpoint understands and counts what each peer sends, with TLS and late where that is asked for."""

from __future__ import annotations

import gzip
import importlib.util
import json
import pathlib
import shutil
import ssl
import time
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Iterator, NamedTuple

import pytest

from benchmarks import processes, servers
from tests.needs import need


class Client(NamedTuple):
    """Who talks to the benchmarks' endpoint."""

    place: processes.Place

    def send(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Post a body and return status and answer."""
        connection = HTTPConnection(self.place.url.partition("//")[2], timeout=30)
        try:
            connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def client(tmp_path: pathlib.Path) -> Iterator[Client]:
    """A client of a running endpoint."""
    with processes.endpoint(tmp_path) as place:
        yield Client(place)


def test_endpoint_counts_application_insights(client: Client) -> None:
    lines = [
        envelope("KEY", "RequestData", id="1"),
        envelope("KEY", "MetricData"),
        envelope("KEY", "RequestData", id="2"),
    ]
    body = gzip.compress("\n".join(map(json.dumps, lines)).encode())

    status, answer = client.send("/v2.1/track", body, Content_Encoding="gzip")
    client.send("/v2.1/track", json.dumps(lines[:1]).encode())

    assert (status, json.loads(answer)) == (200, {"itemsReceived": 3, "itemsAccepted": 3, "errors": []})
    assert servers.count(client.place, "key") == {"items": 2, "again": 1}


def test_endpoint_counts_otlp(client: Client) -> None:
    spans = [field(1, b"t" * 16) + field(2, bytes([number]) * 8) + b"\x31" + b"\0" * 8 for number in (1, 2, 2)]
    scope = field(1, field(1, b"name")) + b"".join(field(2, span + b"\x30\x02") for span in spans)
    body = field(1, field(1, b"a resource of more than 127 bytes" * 4) + field(2, scope))

    assert client.send("/key/v1/traces", body) == (200, b"")

    assert servers.count(client.place, "key") == {"items": 2, "again": 1}


def test_endpoint_counts_datadog(client: Client) -> None:
    need(importlib.util.find_spec("msgpack"), "msgpack")
    import msgpack

    span = [1, 2, 2, 7, 8, 0, 0, 0, 0, {2: 1}, {2: 1.5}, 2]
    child = [1, 2, 2, 7, 9, 8, 0, 0, 0, {}, {}, 2]

    status, answer = client.send("/v0.5/traces", msgpack.packb([["", "key", "web"], [[span, child], [child]]]))

    assert (status, json.loads(answer)) == (200, {"rate_by_service": {"service:,env:": 1.0}})
    assert servers.count(client.place, "key") == {"items": 2, "again": 0}


def test_endpoint_counts_elastic(client: Client) -> None:
    lines = [{"metadata": {"service": {"name": "key"}}}, {"transaction": {"id": "1"}}, {"span": {"id": "2"}}]

    status, _ = client.send("/intake/v2/events", "\n".join(map(json.dumps, lines)).encode())

    assert status == 202
    assert servers.count(client.place, "key") == {"items": 1, "again": 0}


def test_endpoint_speaks_tls_on_the_same_port(client: Client) -> None:
    """As the agent of New Relic wants it, with a certificate that is made on the spot."""
    need(shutil.which("openssl"), "openssl")
    context = ssl.create_default_context(cafile=str(client.place.certificate))
    connection = HTTPSConnection("127.0.0.1", int(client.place.url.rpartition(":")[2]), timeout=30, context=context)
    connection.request("POST", "/agent_listener/invoke_raw_method?method=preconnect", b"[]")
    answer = connection.getresponse().read()
    connection.close()
    assert json.loads(answer) == {"return_value": {"redirect_host": "127.0.0.1"}}


def test_endpoint_can_be_slow(tmp_path: pathlib.Path) -> None:
    with processes.endpoint(tmp_path, delay=0.5) as place:
        began = time.monotonic()
        Client(place).send("/v2.1/track", json.dumps(envelope("key", "RequestData", id="1")).encode())
        assert time.monotonic() - began >= 0.5
        assert servers.count(place, "key") == {"items": 1, "again": 0}


def envelope(key: str, kind: str, **data: str) -> dict[str, Any]:
    """Return an item of Application Insights as far as the endpoint looks at it."""
    return {"iKey": key, "data": {"baseType": kind, "baseData": data}}


def field(number: int, data: bytes) -> bytes:
    """Return a field of a protobuf message that is a string or a message."""
    size, length = len(data), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + data
