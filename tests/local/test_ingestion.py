"""The ingestion endpoint over HTTP: what SDKs of any language may post, and the answers that they get."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import pathlib
import socket
import sqlite3
import threading
import time
from typing import Any, Iterator

import pytest

from tests.local.viewing import BASES, View, item, requests, stream, view


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """A viewer for all tests of this module: each looks for ids of its own."""
    with view(tmp_path_factory.mktemp("view")) as running:
        yield running
        assert running.stderr() == ""


def ids(viewer: View, prefix: str) -> list[str]:
    """Return the ids of the stored requests that begin with `prefix`."""
    return sorted(row[0] for row in viewer.read("SELECT id FROM requests") if row[0].startswith(prefix))


@pytest.mark.parametrize("path", ["/v2/track", "/v2.1/track", "//v2.1/track"])
def test_items_of_all_types_are_accepted(viewer: View, path: str) -> None:
    answer = viewer.post([item(kind) for kind in BASES], path)
    assert (answer.status, answer.json()) == (
        200,
        {"itemsReceived": len(BASES), "itemsAccepted": len(BASES), "errors": []},
    )
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_each_type_has_its_table(viewer: View) -> None:
    viewer.post([item(kind, tags={"ai.operation.id": "types"}) for kind in BASES])
    for table in (
        *("requests", "dependencies", "exceptions", "traces", "customEvents", "customMetrics", "pageViews"),
        *("browserTimings", "availabilityResults"),
    ):
        assert viewer.read(f"SELECT count(*) FROM {table} WHERE operation_Id = 'types'") == [(1,)], table


def test_bad_items_are_told_by_index_and_the_others_are_kept(viewer: View) -> None:
    found: list[Any] = requests(6, "mixed ")
    del found[1]["data"]["baseData"]["responseCode"]
    found[4]["data"]["baseData"]["url"] = "u" * 2049
    found.append("no item")
    for body in (json.dumps(found).encode(), stream(found)):
        answer = viewer.ask("POST", "/v2.1/track", body)
        assert answer.status == 206
        assert (answer.json()["itemsReceived"], answer.json()["itemsAccepted"]) == (7, 4)
        assert [(error["index"], error["statusCode"]) for error in answer.json()["errors"]] == [
            (1, 400),
            (4, 400),
            (6, 400),
        ]
        assert answer.json()["errors"][0]["message"] == (
            "109: Field 'responseCode' on type 'RequestData' is required but missing or empty. "
            "Expected: string, Actual: undefined"
        )
    assert ids(viewer, "mixed") == sorted(2 * ["mixed 0", "mixed 2", "mixed 3", "mixed 5"])


def test_a_batch_without_a_good_item_gets_the_status_of_its_first(viewer: View) -> None:
    answer = viewer.post([{**item(), "iKey": "no-guid"}])
    assert answer.status == 400
    assert answer.json() == {
        "itemsReceived": 1,
        "itemsAccepted": 0,
        "errors": [{"index": 0, "statusCode": 400, "message": "Invalid instrumentation key"}],
    }


def test_validate_tells_everything_and_keeps_nothing(viewer: View) -> None:
    found = item(id="judged", url="u" * 3000, respCode="200")
    del found["data"]["baseData"]["responseCode"]
    answer = viewer.post([item(id="judged"), found], "/v2/validate")
    assert answer.status == 206
    assert (answer.json()["itemsReceived"], answer.json()["itemsAccepted"]) == (2, 1)
    assert [error["message"][:4] for error in answer.json()["errors"]] == ["109:", "100:"]
    assert answer.json()["warnings"] == [
        {"index": 1, "message": "Field 'respCode' on type 'RequestData' is not known and not kept"}
    ]
    assert ids(viewer, "judged") == []


def test_validate_tells_no_end_of_faults(viewer: View) -> None:
    properties = {f"{number:x}": 1 for number in range(600)}
    unknown = {f"_{number:x}": 1 for number in range(600)}
    answer = viewer.post([item(properties=properties, **unknown) for _ in range(4)], "/v2/validate").json()
    assert (answer["itemsReceived"], answer["itemsAccepted"]) == (4, 0)
    assert [error["index"] for error in answer["errors"]] == [0] * 600 + [1] * 400 + [2, 3]
    assert [warning["index"] for warning in answer["warnings"]] == [0] * 600 + [1] * 400


def test_eight_clients_at_once_lose_nothing(viewer: View) -> None:
    statuses: list[int] = []

    def talk(number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=60)
        for batch in range(20):
            body = gzip.compress(stream(requests(50, f"at once {number} {batch} ")), 1)
            client.request("POST", "/v2.1/track", body, {"Content-Encoding": "gzip"})
            response = client.getresponse()
            response.read()
            statuses.append(response.status)
        client.close()

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 160
    stored = ids(viewer, "at once")
    assert len(stored) == len(set(stored)) == 8000


def test_pages_of_this_machine_may_send_and_others_may_not(viewer: View) -> None:
    for origin in ("http://localhost:3000", "https://localhost", "http://127.0.0.1:8000", "http://[::1]:80"):
        asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,sdk-context"}
        answer = viewer.ask("OPTIONS", "/v2/track", Origin=origin, **asked)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, origin)
        assert answer.headers["access-control-allow-headers"] == "content-type,sdk-context"
        answer = viewer.post(requests(1, "page "), Origin=origin)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
        assert answer.headers["vary"] == "Origin"
    before = len(ids(viewer, ""))
    for origin in (
        *("http://evil.example", "null", "http://localhost.evil.example", "http://evil.example:5199", "localhost"),
        *("http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "file://", "http://10.0.0.1", ""),
    ):
        for method in ("OPTIONS", "POST"):
            answer = viewer.ask(method, "/v2/track", stream(requests(1)), Origin=origin)
            assert (answer.status, "access-control-allow-origin" in answer.headers) == (403, False), origin
    assert len(ids(viewer, "")) == before


def test_what_else_clients_ask_for_is_simply_not_there(viewer: View) -> None:
    for method, path in (
        ("GET", "/api/profiles/00000000-0000-0000-0000-000000000000/appId"),
        ("POST", "/QuickPulseService.svc/ping?ikey=1"),
        ("POST", "/QuickPulseService.svc/post"),
        ("PUT", "/v2/other"),
    ):
        answer = viewer.ask(method, path, b"[]")
        assert (answer.status, answer.body) == (404, b"Not found.\n")
    assert viewer.get("/v2/track").status == viewer.ask("PUT", "/v2.1/track").status == 405
    assert viewer.stderr() == ""


def test_a_store_that_cannot_be_written_is_told_and_written_later(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as running:
        other = sqlite3.connect(running.store, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = running.post(requests(2, "late "))
        other.execute("ROLLBACK")
        other.close()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["itemsAccepted"] == 0
        assert running.stderr().count("\n") == 1
        assert running.post(requests(2, "late ")).status == 200
        assert ids(running, "late") == ["late 0", "late 1"]


@pytest.mark.parametrize("trouble", ["deleted", "replaced", "damaged", "emptied"])
def test_a_store_may_go_while_the_viewer_runs(tmp_path: pathlib.Path, trouble: str) -> None:
    with view(tmp_path) as running:
        assert running.post(requests(200, "before ")).status == 200
        if trouble == "deleted":
            running.store.unlink()
        elif trouble == "replaced":
            (tmp_path / "other").write_bytes(b"something else" * 1000)
            os.replace(tmp_path / "other", running.store)
        elif trouble == "emptied":
            os.truncate(running.store, 0)
        else:
            with open(running.store, "r+b") as file:
                file.write(b"\xff" * 65_536)
            pathlib.Path(f"{running.store}-wal").unlink()
        answers = [running.post(requests(1, f"after {number} ")).status for number in range(3)]
        assert answers[-1] == 200
        beside = tmp_path / "store-2.db"
        running.store = running.store if not beside.exists() else beside
        assert "after 2 0" in ids(running, "after")
        assert "Traceback" not in running.stderr()
        if trouble == "replaced":
            assert (tmp_path / "store.db").read_bytes() == b"something else" * 1000
            assert "store.db is not used: " in running.stderr()
        assert running.end() == 128 + 15


def test_a_client_that_goes_away_makes_no_noise(viewer: View) -> None:
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", viewer.port), 5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(b"POST /v2/track HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n[")
        client.close()
    time.sleep(0.1)
    assert viewer.post(requests(1)).status == 200
    assert viewer.stderr() == ""
