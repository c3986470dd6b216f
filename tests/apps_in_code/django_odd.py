"""Odd but legal uses of Django: `python django_odd.py` says what each of them saw; `application` is for uvicorn."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from typing import Any, Iterator

import odd
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from opencensus.trace import execution_context

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for tests",  # noqa: S106
    )
REQUESTS: list[Any] = []
CALLS: list[str] = []


def plain(request: HttpRequest, number: int) -> HttpResponse:
    REQUESTS.append(weakref.ref(request))
    return HttpResponse("ok")


def spanning(request: HttpRequest, number: int) -> HttpResponse:
    REQUESTS.append(weakref.ref(request))
    tracer = execution_context.get_opencensus_tracer()
    tracer.add_attribute_to_current_span("a", "b")
    with tracer.span("within"):
        return HttpResponse("ok")


async def asynchronous(request: HttpRequest, number: int) -> HttpResponse:
    answer = spanning(request, number)
    await asyncio.sleep(0)
    return answer


def streaming(request: HttpRequest, number: int) -> StreamingHttpResponse:
    REQUESTS.append(weakref.ref(request))

    def generate() -> Iterator[bytes]:
        with execution_context.get_opencensus_tracer().span("across"):
            yield b"1"
            yield b"2"

    return StreamingHttpResponse(generate())


async def alive(request: HttpRequest) -> HttpResponse:
    """Say how many of the requests before this one are alive, apart from cycles of the framework's own."""
    await asyncio.sleep(0.1)
    gc.collect()
    return HttpResponse(json.dumps([len(REQUESTS), sum(ref() is not None for ref in REQUESTS)]))


urlpatterns = [
    path("plain/<int:number>", plain),
    path("span/<int:number>", spanning),
    path("async/<int:number>", asynchronous),
    path("stream/<int:number>", streaming),
    path("alive", alive),
]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the Django application from inside a middleware that works on after each message and after the answer."""

    async def send_and_work(message: Any) -> None:
        # A server that pipelines begins with the next request of the connection in here.
        await send(message)
        await asyncio.sleep(0.02)

    await DJANGO(scope, receive, send_and_work)
    await asyncio.sleep(0.02)


DJANGO = get_asgi_application()


def freed() -> Any:
    """Say which environs and request objects are alive after the answer, by reference counts alone."""
    alive = {}
    for name in ("plain", "span", "stream"):
        for number in range(2):
            environ = odd.environ(f"/{name}/{number}")
            ref = weakref.ref(environ)
            odd.ask(get_wsgi_application(), environ)
            del environ
            alive[f"{name} {number}"] = [ref() is not None, REQUESTS[-1]() is not None]
    return alive


def patch() -> None:
    """Replace the methods of the base handler, as libraries do after Django was imported."""
    stock, stock_async = BaseHandler.get_response, BaseHandler.get_response_async

    def get_response(self: Any, request: HttpRequest) -> Any:
        CALLS.append("patched")
        return stock(self, request)

    async def get_response_async(self: Any, request: HttpRequest) -> Any:
        CALLS.append("patched async")
        return await stock_async(self, request)

    BaseHandler.get_response, BaseHandler.get_response_async = get_response, get_response_async


def patched() -> Any:
    CALLS.clear()
    return [odd.ask(get_wsgi_application(), "/span/10"), list(CALLS)]


def patched_async() -> Any:
    CALLS.clear()
    return [asyncio.run(ask_asgi("/async/11")), list(CALLS)]


class Mixin(BaseHandler):
    """Stands between WSGIHandler and BaseHandler in the order of methods."""

    def get_response(self, request: HttpRequest) -> Any:
        CALLS.append("mixin")
        return super().get_response(request)


class Site(WSGIHandler):
    """A handler of the application's own."""


class Mixed(Site, Mixin):
    """The handler with the mixin behind it."""


class MixedFirst(Mixin, Site):
    """The handler with the mixin before it."""


def mixed() -> Any:
    CALLS.clear()
    return [odd.ask(Mixed(), "/span/12"), odd.ask(MixedFirst(), "/span/13"), list(CALLS)]


async def ask_asgi(where: str) -> list[Any]:
    """Send an HTTP request to the ASGI application, as a server does."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": where, "headers": [], "query_string": b"", "scheme": "http"}
    await DJANGO({**scope, "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"}}, receive, send)
    return [sent[0]["status"], b"".join(message["body"] for message in sent[1:]).decode()]


if __name__ == "__main__":
    gc.disable()
    # From here on the base handler is patched: the order counts.
    said = {"freed": freed, "patch": patch}
    odd.say({**said, **{case.__name__: case for case in (patched, patched_async, mixed)}})
