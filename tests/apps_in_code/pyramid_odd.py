"""Odd but legal uses of Pyramid: `python pyramid_odd.py` says what each of them saw."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Callable

import odd
from opencensus.trace import execution_context
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.wsgi import wsgiapp2

REQUESTS: list[Any] = []


class Route:
    """What a view decorator may put in the place of the matched route."""

    name = "odd"


class Pattern:
    """A pattern that is no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def plain(request: Request) -> Response:
    REQUESTS.append(weakref.ref(request))
    return Response("ok")


def span(request: Request) -> Response:
    REQUESTS.append(weakref.ref(request))
    tracer = execution_context.get_opencensus_tracer()
    tracer.add_attribute_to_current_span("a", "b")
    with tracer.span("within"):
        return Response("ok")


def stream(request: Request) -> Response:
    REQUESTS.append(weakref.ref(request))
    return Response(app_iter=iter([b"1", b"2"]))


def odd_route(request: Request) -> Response:
    request.matched_route = Route()
    return Response("ok")


def odd_pattern(request: Request) -> Response:
    request.matched_route = Route()
    request.matched_route.pattern = Pattern()  # type: ignore[attr-defined]
    return Response("ok")


def build(*tweens: str) -> Any:
    """Build the application, and the same one once more mounted below /mount."""
    mounted = None
    for views in ((span,), (plain, span, stream, odd_route, odd_pattern)):
        config = Configurator()
        for tween in tweens:
            config.add_tween(tween)
        for view in views:
            config.add_route(view.__name__, f"/{view.__name__}/{{number}}")
            config.add_view(view, route_name=view.__name__)
        if mounted is not None:
            config.add_route("mount", "/mount/*subpath")
            config.add_view(wsgiapp2(mounted), route_name="mount")
        mounted = config.make_wsgi_app()
    return mounted


def copy_environ(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Answer a copy of each request."""

    def tween(request: Request) -> Response:
        twin = type(request)(dict(request.environ))
        twin.registry = request.registry
        return handler(twin)

    return tween


def copy_request(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Answer a copy of each request, made as WebOb makes it."""

    def tween(request: Request) -> Response:
        twin = request.copy()
        twin.registry = request.registry
        return handler(twin)

    return tween


APP = build()


def freed() -> Any:
    """Say which request objects are alive after the answer, by reference counts alone."""
    alive = {}
    for name in ("plain", "span", "stream"):
        for number in range(2):
            # Pyramid takes nothing but a dict itself, which no weak reference can point to.
            odd.ask(APP, odd.environ(f"/{name}/{number}", dict))
            alive[f"{name} {number}"] = REQUESTS[-1]() is not None
    return alive


def odd_routes() -> Any:
    return [odd.ask(APP, odd.environ(f"/odd_{what}/1", dict)) for what in ("route", "pattern")]


def copied() -> Any:
    app = build("pyramid_odd.copy_environ")
    return odd.ask(app, odd.environ("/span/14", dict))


def copied_request() -> Any:
    app = build("pyramid_odd.copy_request")
    return odd.ask(app, odd.environ("/span/16", dict))


def mounted() -> Any:
    return odd.ask(APP, odd.environ("/mount/span/15", dict))


if __name__ == "__main__":
    gc.disable()
    odd.say({case.__name__: case for case in (freed, odd_routes, copied, copied_request, mounted)})
