"""Applications that work when their response is closed: `python closing.py flask [/stream]` answers one request.

Each of its queries is of a table that tells where it was made; the last one is made when all is over.
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import sys
from typing import Any, Callable


def query(table: str) -> None:
    """Make a call that is told as `SELECT table`."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE {table} (x)")
    connection.execute(f"SELECT * FROM {table}")
    connection.close()


def make_flask() -> Any:
    from flask import Flask, Response, after_this_request

    app = Flask("shop")

    @app.route("/")
    def page() -> Any:
        response = Response("ok")
        response.call_on_close(lambda: query("on_close"))

        @after_this_request
        def add(response: Any) -> Any:
            response.call_on_close(lambda: query("added_late"))
            return response

        query("view")
        return response

    @app.route("/stream")
    def stream() -> Any:
        query("view")
        response = Response(iter(["o", "k"]))
        response.call_on_close(lambda: query("on_close"))
        return response

    @app.teardown_request
    def tear_down(error: Any) -> None:
        query("torn_down")

    return app


def set_up_django() -> None:
    from django.conf import settings
    from django.core.signals import request_finished
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import path

    def page(request: HttpRequest) -> HttpResponse:
        query("view")
        return HttpResponse("ok")

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        query("view")
        return StreamingHttpResponse(iter(["o", "k"]))

    def finished(**named: Any) -> None:
        query("on_close")
        if sys.argv[2:] == ["/broken"]:
            raise ArithmeticError("in a receiver")

    globals().update(urlpatterns=[path("", page), path("broken", page), path("stream", stream)])
    request_finished.connect(finished, weak=False)
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="only for tests")  # noqa: S106


def make_django() -> Any:
    set_up_django()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def make_asgi() -> Any:
    set_up_django()
    from django.core.asgi import get_asgi_application

    application = get_asgi_application()

    def app(environ: Any, start_response: Callable[..., Any]) -> Any:
        scope = {
            "type": "http",
            "method": "GET",
            "path": environ["PATH_INFO"],
            "headers": [(b"host", b"shop.test")],
            "asgi": {"version": "3.0"},
        }
        sent: list[Any] = []
        waiting: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(application(scope, receive, send))
        start_response(str(sent[0]["status"]), [])
        return [message.get("body", b"") for message in sent[1:]]

    return app


def make_pyramid() -> Any:
    from pyramid.config import Configurator
    from pyramid.request import Request
    from pyramid.response import Response

    class Closing(list):  # type: ignore[type-arg]
        def close(self) -> None:
            query("closed")

    def page(request: Request) -> Response:
        request.add_response_callback(lambda request, response: query("response_callback"))
        request.add_finished_callback(lambda request: query("on_close"))
        query("view")
        return Response(app_iter=Closing([b"ok"]))

    with Configurator() as config:
        config.add_route("page", "/")
        config.add_view(page, route_name="page")
        return config.make_wsgi_app()


app = globals()[f"make_{sys.argv[1]}"]()
try:
    answer = importlib.import_module("ask").ask(app, "".join(sys.argv[2:]) or "/", {})
except ArithmeticError as error:
    answer = repr(error)
query("afterwards")
sys.stdout.write(f"{answer}\n")
