"""The test bed's own endpoint: it must answer as the service does, or the other tests prove nothing."""

from __future__ import annotations

import copy
import datetime
import gzip
import json
import threading
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest

from tests.endpoint import Endpoint

KEY = "00000000-1111-2222-3333-444444444444"
LONG_AGO = "2020-01-02T03:04:05Z"


def request_item(number: int = 1) -> dict[str, Any]:
    """Write a request item by hand, as the service's own documentation shows one."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "ver": 1,
        "name": "Microsoft.ApplicationInsights.Request",
        "time": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "iKey": KEY,
        "tags": {
            "ai.operation.id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "ai.operation.name": "GET /",
            "ai.location.ip": "203.0.113.7",
        },
        "data": {
            "baseType": "RequestData",
            "baseData": {
                "ver": 2,
                "id": f"{number:016x}",
                "name": "GET /",
                "duration": "0.00:00:00.0123456",
                "responseCode": "200",
                "success": True,
                "url": "https://shop.test/",
                "properties": {"process.pid": "4711"},
                "measurements": {"responseBytes": 512},
            },
        },
    }


def exception_item() -> dict[str, Any]:
    """Write the exception item that belongs to a request."""
    frame = {"level": 0, "method": "shop.views.index", "fileName": "shop/views.py", "line": 7}
    item = request_item()
    item["name"] = "Microsoft.ApplicationInsights.Exception"
    details = {"id": 1, "typeName": "ValueError", "message": "boom", "parsedStack": [frame]}
    item["data"] = {
        "baseType": "ExceptionData",
        "baseData": {"ver": 2, "severityLevel": "Error", "exceptions": [details]},
    }
    return item


def post(endpoint: Endpoint, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Post a body (JSON unless it is bytes already); return status and answer."""
    client = HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request("POST", "/v2.1/track", raw, named)
        response = client.getresponse()
        return response.status, json.loads(response.read())
    finally:
        client.close()


def with_value(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Copy an item and set the value at a path of keys with `/` between them; `...` removes it."""
    changed = copy.deepcopy(item)
    *parents, last = path.split("/")
    place: Any = changed
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize("item", [request_item(), exception_item()], ids=["request", "exception"])
def test_a_correct_item_is_accepted(endpoint: Endpoint, item: dict[str, Any]) -> None:
    assert post(endpoint, [item]) == (200, {"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
    assert endpoint.items == [item]
    assert not endpoint.invalid


BASE = "data/baseData/"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (BASE + "url", "u" * 2049, "100"),
        (BASE + "name", "n" * 1025, "100"),
        (BASE + "id", "1" * 129, "100"),
        (BASE + "properties", {"k" * 151: "v"}, "100"),
        (BASE + "properties", {"": "v"}, "100"),
        (BASE + "properties", {"k": "v" * 8193}, "100"),
        ("tags/ai.operation.name", "n" * 1025, "100"),
        ("tags/ai.location.ip", "203.0.113.7:443", "100"),
        ("time", "2025-01-02T03:04:05", "102"),
        ("time", "2025-13-02T03:04:05Z", "102"),
        ("time", "yesterday", "102"),
        ("time", LONG_AGO, "103"),
        (BASE + "duration", "12.3", "106"),
        (BASE + "duration", "-1.23:59:59.995", "106"),
        (BASE + "success", "true", "106"),
        (BASE + "responseCode", 200, "106"),
        (BASE + "properties", {"k": 1}, "106"),
        (BASE + "measurements", {"k": "1"}, "106"),
        ("tags/ai.cloud.role", 7, "106"),
        ("tags", [], "106"),
        (BASE + "duration", ..., "109"),
        (BASE + "responseCode", "", "109"),
        ("data", ..., "109"),
        ("data/baseType", "Nothing", "109"),
        ("iKey", "not-a-key", "Invalid instrumentation key"),
        ("iKey", "99999999-1111-2222-3333-444444444444", "Invalid instrumentation key"),
    ],
)
def test_a_wrong_item_is_refused_with_the_code_of_the_service(
    endpoint: Endpoint, path: str, value: Any, code: str
) -> None:
    status, answer = post(endpoint, [with_value(request_item(), path, value)])
    assert (status, answer["itemsAccepted"]) == (400, 0)
    assert answer["errors"][0]["message"].startswith(code)
    assert len(endpoint.invalid) == 1
    assert not endpoint.items


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (BASE + "exceptions/0/parsedStack", "Traceback", "106"),
        (BASE + "exceptions/0/message", "", "109"),
        (BASE + "exceptions/0/message", "m" * 32_769, "100"),
        (BASE + "exceptions/0/outerId", "1", "106"),
        (BASE + "exceptions/0/parsedStack/0/line", 1_000_000, "106"),
        (BASE + "exceptions", [], "109"),
        (BASE + "severityLevel", 5, "106"),
    ],
)
def test_a_wrong_exception_is_refused(endpoint: Endpoint, path: str, value: Any, code: str) -> None:
    status, answer = post(endpoint, [with_value(exception_item(), path, value)])
    assert status == 400
    assert answer["errors"][0]["message"].startswith(code)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (BASE + "resultCode", "200"),
        ("tags/ai.cloud.rolename", "shop"),
        ("tags/ai.operation.id", "0" * 32),
        ("tags/ai.operation.parentId", "|trace.span."),
        ("tags/ai.operation.name", "GET"),
        ("sampleRate", 0),
        ("name", "Microsoft.ApplicationInsights.Exception"),
    ],
)
def test_what_the_service_takes_in_silence_is_recorded(endpoint: Endpoint, path: str, value: Any) -> None:
    assert post(endpoint, [with_value(request_item(), path, value)])[0] == 200
    assert len(endpoint.items) == len(endpoint.invalid) == 1


def test_some_items_of_a_batch_are_refused(endpoint: Endpoint) -> None:
    batch = [request_item(1), with_value(request_item(2), BASE + "url", "u" * 3000), request_item(3)]
    status, answer = post(endpoint, batch)
    assert (status, answer["itemsReceived"], answer["itemsAccepted"]) == (206, 3, 2)
    assert [error["index"] for error in answer["errors"]] == [1]
    assert endpoint.counts() == {("RequestData", f"{number:016x}"): 1 for number in (1, 3)}


def test_a_test_can_refuse_single_items(endpoint: Endpoint) -> None:
    endpoint.judge = lambda item: (429, "too much") if item["data"]["baseData"]["id"].endswith("2") else None
    status, answer = post(endpoint, [request_item(1), request_item(2)])
    assert (status, answer["errors"]) == (206, [{"index": 1, "statusCode": 429, "message": "too much"}])
    assert not endpoint.invalid


def test_an_item_of_64_kb_is_too_much(endpoint: Endpoint) -> None:
    properties = {f"key{number}": "é" * 4000 for number in range(10)}
    item = with_value(request_item(), BASE + "properties", properties)
    assert post(endpoint, json.dumps([item], ensure_ascii=False).encode())[0] == 400
    del properties["key0"], properties["key1"], properties["key2"]
    assert post(endpoint, json.dumps([item], ensure_ascii=False).encode())[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b'{"a": NaN}',
        b'[{"a": Infinity}]',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_strict_json_is_refused_as_a_whole(endpoint: Endpoint, body: bytes) -> None:
    assert post(endpoint, body)[0] == 400
    assert len(endpoint.invalid) == 1


def test_items_may_come_alone_in_lines_and_compressed(endpoint: Endpoint) -> None:
    lines = "\n".join(json.dumps(request_item(number)) for number in (2, 3)).encode() + b"\n"
    assert post(endpoint, request_item(1))[0] == 200
    assert post(endpoint, lines, Content_Type="application/x-json-stream")[0] == 200
    packed = gzip.compress(json.dumps([request_item(4)]).encode())
    assert post(endpoint, packed, Content_Encoding="gzip")[0] == 200
    assert post(endpoint, b"no gzip", Content_Encoding="gzip")[0] == 400
    assert [item["data"]["baseData"]["id"][-1] for item in endpoint.items] == ["1", "2", "3", "4"]


def test_connections_are_kept_and_told_apart(endpoint: Endpoint) -> None:
    client = HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    for number in (1, 2):
        client.request("POST", "/v2/track", json.dumps([request_item(number)]).encode())
        client.getresponse().read()
    client.close()
    post(endpoint, [request_item(3)])
    assert [entry.connection for entry in endpoint.posts] == [1, 1, 2]
    assert [entry.path for entry in endpoint.posts] == ["/v2/track", "/v2/track", "/v2.1/track"]


def test_a_failing_endpoint_stores_nothing_until_it_is_well_again(endpoint: Endpoint) -> None:
    endpoint.fail(503, retry_after="7", times=2)
    assert [post(endpoint, [request_item()])[0] for _ in range(3)] == [503, 503, 200]
    assert [entry.status for entry in endpoint.posts] == [503, 503, 200]
    assert len(endpoint.items) == 1
    endpoint.fail(429)
    assert post(endpoint, [request_item()])[0] == 429
    endpoint.heal()
    assert post(endpoint, [request_item(2)])[0] == 200


def test_a_refusing_endpoint_comes_back_on_its_port(endpoint: Endpoint) -> None:
    port = endpoint.port
    endpoint.refuse()
    with pytest.raises(ConnectionRefusedError):
        post(endpoint, [request_item()])
    endpoint.accept()
    assert endpoint.port == port
    assert post(endpoint, [request_item()])[0] == 200


def test_a_hanging_endpoint_never_answers(endpoint: Endpoint) -> None:
    endpoint.hang()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            post(endpoint, [request_item()])
        except (HTTPException, OSError) as error:
            failures.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    assert endpoint.wait_for_posts(1)
    assert sender.is_alive()
    endpoint.heal()
    sender.join(10)
    assert len(failures) == 1
    assert not endpoint.items
