"""Applications made for OpenCensus: their spans, its integrations and processors, each call told once."""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import pytest

from tests import outgoing
from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, load, serve
from tests.recordings import said

APPS = pathlib.Path(__file__).parent / "apps_in_code"
SERVER = [*gunicorn("flask_integrations:app"), "--bind=127.0.0.1:{port}"]
PATHS = ("/requests", "/sqlalchemy", "/log", "/spans", "/dropped")


class Left(NamedTuple):
    """What the application left: its items, its output, and what its neighbour got."""

    items: list[dict[str, Any]]
    stdout: str
    stderr: str
    neighbour: outgoing.Neighbour

    def request(self, path: str) -> dict[str, Any]:
        """Return the request item of a path."""
        (item,) = (item for item in self.items if said(item).get("name") == f"GET {path}" and "url" in said(item))
        return item

    def below(self, parent: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what hangs under an item."""
        return [item for item in self.items if item["tags"].get("ai.operation.parentId") == said(parent)["id"]]


def run(folder: pathlib.Path, **env: str) -> Left:
    """Ask for every path under some settings; STOCK=1 lets the application bring the stock exporter."""
    with Endpoint() as endpoint, outgoing.neighbour() as neighbour:
        env = {name: value.format(neighbour=neighbour.site) for name, value in env.items()}
        env["NEIGHBOUR"] = neighbour.url
        if "STOCK" in env:
            env["STOCK"] = endpoint.connection_string
        with serve(SERVER, folder, endpoint, env, apps=APPS) as server:
            answers = load(server.port, [Request("GET", path) for path in PATHS], connections=1)
            server.stop()
        assert [answer.status for answer in answers] == [200] * len(PATHS)
        if "STOCK" not in env:
            assert not endpoint.invalid
        return Left(list(endpoint.items), server.stdout(), server.stderr(), neighbour)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return run(tmp_path_factory.mktemp("integrations"), AUTOTRACE_LOGS="warning")


def test_a_call_that_an_integration_traces_is_one_item(left: Left) -> None:
    (call,) = left.below(left.request("/requests"))
    told = said(call)
    assert (told["type"], told["name"], told["resultCode"]) == ("HTTP", "GET /there", "200")
    assert told["data"] == f"{left.neighbour.url}/there?key=REDACTED"
    # The integration's own span is the parent of the next service's request.
    assert left.neighbour.headers[0]["traceparent"].split("-")[1:3] == [call["tags"]["ai.operation.id"], told["id"]]


def test_a_statement_that_an_integration_traces_is_one_item(left: Left) -> None:
    # SQLAlchemy says a PRAGMA of its own to a new connection.
    (call,) = (item for item in left.below(left.request("/sqlalchemy")) if "PRAGMA" not in said(item)["name"])
    assert said(call)["name"] == "sqlalchemy.query"
    assert said(call)["properties"]["sqlalchemy.query"] == "SELECT 1"


def test_a_record_of_the_logging_integration_is_one_line(left: Left) -> None:
    request = left.request("/log")
    (line,) = left.below(request)
    assert said(line)["message"] == "written"
    assert f"{request['tags']['ai.operation.id']} {said(request)['id']} True written\n" in left.stdout


def test_spans_are_a_tree_with_all_that_is_on_them(left: Left) -> None:
    request = left.request("/spans")
    assert said(request)["properties"]["colour"] == "red"
    below = {said(item).get("name") or said(item)["message"]: item for item in left.below(request)}
    assert set(below) == {"outer", "on the request"}
    assert said(below["on the request"])["properties"]["weight"] == "3"
    outer = below["outer"]
    assert said(outer)["properties"]["_MS.links"] == f'[{{"operation_Id":"{"1" * 32}","id":"{"2" * 16}"}}]'
    inside = {said(item).get("name") or said(item)["message"]: item for item in left.below(outer)}
    assert set(inside) == {"inner", "on a span"}
    assert (said(inside["inner"])["success"], said(inside["inner"])["resultCode"]) == (False, "13")
    (thread,) = left.below(inside["inner"])
    assert said(thread)["properties"]["in"] == "thread"


def test_hidden_hosts_are_hidden_from_integrations_too(tmp_path: pathlib.Path) -> None:
    left = run(tmp_path, AUTOTRACE_BLACKLIST_HOSTNAMES="{neighbour}")
    assert left.below(left.request("/requests")) == []


def test_processors_of_the_stock_exporter_run_and_break_nothing(tmp_path: pathlib.Path) -> None:
    left = run(tmp_path, STOCK="1")
    named = {said(item)["name"]: said(item) for item in left.items}
    assert "GET /dropped" not in named
    assert {"GET /requests", "GET /sqlalchemy", "GET /log", "GET /spans", "outer", "inner"} <= set(named)
    assert {told["properties"].get("processed") for told in named.values()} == {"yes"}
    assert "Telemetry processor failed with: a processor that fails." in left.stdout
    assert len(left.below(left.request("/requests"))) == 1
