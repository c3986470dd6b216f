"""Requests recorded in this process: a WSGI application of one function, and an exporter that keeps the wire lines."""

from __future__ import annotations

import io
import json
from typing import Any, Callable, Mapping

from autotrace import wsgi
from autotrace.current import CURRENT
from autotrace.identity import identify
from autotrace.items import Lines
from autotrace.recorder import Recorder
from autotrace.recorders import Recorders
from autotrace.settings import load
from tests import schema

KEY = "00000000-1111-2222-3333-444444444444"
View = Callable[[], object]


class Kept:
    """An exporter that keeps the wire lines of the items, made as the settings in `env` say."""

    def __init__(self, env: Mapping[str, str] | None = None, application: str = "shop") -> None:
        settings = load(env or {})
        assert not settings.problems
        identity = identify(settings, KEY, application, env or {})
        self._lines = Lines(identity, settings.url_query, settings.failed_statuses, settings.trusted_proxies)
        self.wire: list[bytes] = []

    def request(self, recording: Any) -> None:
        """Keep the line of a request."""
        self.wire.append(self._lines.request(recording))

    def exception(self, recording: Any, failure: Any) -> None:
        """Keep the line of an exception."""
        self.wire.append(self._lines.exception(recording, failure))

    def calls(self, recording: Any, ended: list[Any]) -> None:
        """Keep the lines of outgoing calls."""
        self.wire.extend(self._lines.calls(recording, ended))

    def message(self, recording: Any, message: Any) -> None:
        """Keep the line of a log line."""
        self.wire.append(self._lines.message(recording, message))

    def spans(self, recording: Any, span_datas: list[Any]) -> None:
        """Keep the lines of spans."""
        self.wire.extend(self._lines.spans(recording, span_datas))

    def items(self) -> list[dict[str, Any]]:
        """Return the items that were kept since the last call; each must be as the service wants it."""
        wire, self.wire = self.wire, []
        for line in wire:
            assert line.count(b"\n") == 1
            assert line.endswith(b"\n")
        items = [json.loads(line) for line in wire]
        for item, line in zip(items, wire):
            assert not schema.faults(item, len(line)), item
        return items


class Shop:
    """The application: it runs `view`, then answers with `status`."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.view: View = bool
        self.status = "200 OK"

    def answer(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        self.view()
        start_response(self.status, [])
        return [b"ok"]

    __call__ = wsgi.traced(answer, Recorders(lambda shop: shop.recorder))


def visit(shop: Shop, route: str | None = "/", **variables: Any) -> None:
    """Send a request to the application; `route` is what its framework finds, `variables` go into the environ."""
    view = shop.view

    def find_route_and_view() -> None:
        if CURRENT.get() is not None and CURRENT.get().open:
            CURRENT.get().route = route
        view()

    shop.view = find_route_and_view
    try:
        shop(environ(**variables), lambda status, headers: None)
    finally:
        shop.view = view


def environ(**variables: Any) -> dict[str, Any]:
    """Build a WSGI environ as a server does; a variable of None is left out."""
    base: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "server.test",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "shop.test",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **variables,
    }
    return {name: value for name, value in base.items() if value is not None}


def said(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an item says."""
    base: dict[str, Any] = item["data"]["baseData"]
    return base


def record(
    env: dict[str, str] | None = None, route: str | None = "/", view: Any = bool, **variables: Any
) -> dict[str, Any]:
    """Record one request under some settings and return its item, which is valid."""
    kept = Kept(env)
    shop = Shop(Recorder(kept))
    shop.view, shop.status = view, variables.pop("status", "200 OK")
    visit(shop, route, **variables)
    (item,) = [item for item in kept.items() if item["data"]["baseType"] == "RequestData"]
    return item
