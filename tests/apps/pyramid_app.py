"""The Pyramid sample: `gunicorn pyramid_app:app` runs it."""

from __future__ import annotations

import time
from typing import Any, Callable

import bodies
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPFound
from pyramid.request import Request
from pyramid.response import FileResponse, Response

View = Callable[[Request], Response]


def gate(handler: View, registry: Any) -> View:
    """Make the tween that fails for one path."""

    def tween(request: Request) -> Response:
        if request.path_info == "/middleware-boom":
            raise RuntimeError("the gate broke")
        return handler(request)

    return tween


def page(request: Request) -> Response:
    return Response(request.path_info)


def index(request: Request) -> Response:
    return Response("hello")


def user(request: Request) -> Response:
    return Response(f"user {int(request.matchdict['id'])}")


def leave(request: Request) -> Response:
    return HTTPFound("/users/1")


def slow(request: Request) -> Response:
    time.sleep(float(request.GET.get("s", "0.2")))
    return Response("slow")


def stream(request: Request) -> Response:
    query = request.GET
    chunks = bodies.stream(int(query.get("chunks", "3")), float(query.get("pause", "0.02")))
    return Response(app_iter=chunks, content_type="text/plain")


def stream_gate(request: Request) -> Response:
    return Response(app_iter=bodies.gated_stream(), content_type="text/plain")


def stream_boom(request: Request) -> Response:
    return Response(app_iter=bodies.broken_stream(), content_type="text/plain")


def file(request: Request) -> Response:
    return FileResponse(bodies.FILE, request=request)


def echo(request: Request) -> Response:
    return Response(request.body, content_type="application/octet-stream")


def boom(request: Request) -> Response:
    raise ValueError("boom in the view")


def odd(request: Request) -> Response:
    raise bodies.Odd("odd in the view")


def forbidden(request: Request) -> Response:
    raise HTTPForbidden


def handled(request: Request) -> Response:
    raise bodies.HandledError("handled by a page")


def sorry(error: bodies.HandledError, request: Request) -> Response:
    return Response(f"sorry: {error}", status=500)


def span(request: Request) -> Response:
    return Response(bodies.child_span())


def attribute(request: Request) -> Response:
    return Response(bodies.attribute())


ROUTES: list[tuple[str, View]] = [
    ("/", index),
    ("/users/{id}", user),
    ("/health", page),
    ("/admin", page),
    ("/administrators", page),
    ("/redirect", leave),
    ("/slow", slow),
    ("/stream", stream),
    ("/stream-gate", stream_gate),
    ("/stream-boom", stream_boom),
    ("/file", file),
    ("/echo", echo),
    ("/boom", boom),
    ("/odd", odd),
    ("/middleware-boom", page),
    ("/forbidden", forbidden),
    ("/handled", handled),
    ("/span", span),
    ("/attribute", attribute),
]


def create_app() -> Any:
    """Build the application: a Pyramid router."""
    with Configurator() as config:
        for number, (pattern, view) in enumerate(ROUTES):
            config.add_route(f"route{number}", pattern)
            config.add_view(view, route_name=f"route{number}")
        config.add_exception_view(sorry, context=bodies.HandledError)
        config.add_tween(f"{__name__}.gate")
        config.add_static_view("static", bodies.STATIC)
        return config.make_wsgi_app()


app = create_app()
