"""The Django sample: `gunicorn django_app:application` or `uvicorn django_app:asgi_application` runs it."""

from __future__ import annotations

import asyncio
import time
from typing import Callable

import bodies
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.static import serve

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["shop.test", "127.0.0.1", "localhost"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", __name__ + ".Gate"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for tests",  # noqa: S106
        USE_TZ=True,
    )


class Gate:
    """Middleware that fails for one path and turns HandledError into a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/middleware-boom":
            raise RuntimeError("the gate broke")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, bodies.HandledError):
            return HttpResponse(f"sorry: {error}", status=500)
        return None


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.path_info)


def user(request: HttpRequest, id: int) -> HttpResponse:
    return HttpResponse(f"user {id}")


def archive(request: HttpRequest, year: str, slug: str) -> HttpResponse:
    return HttpResponse(f"{slug} of {year}")


def item(request: HttpRequest, slug: str) -> HttpResponse:
    return HttpResponse(f"item {slug}")


def leave(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/users/1")


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(float(request.GET.get("s", "0.2")))
    return HttpResponse("slow")


async def async_page(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(float(request.GET.get("s", "0")))
    return HttpResponse("async")


async def async_boom(request: HttpRequest) -> HttpResponse:
    raise ValueError("boom in the async view")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    make = bodies.async_stream if isinstance(request, ASGIRequest) else bodies.stream
    query = request.GET
    return StreamingHttpResponse(make(int(query.get("chunks", "3")), float(query.get("pause", "0.02"))))


def stream_gate(request: HttpRequest) -> StreamingHttpResponse:
    make = bodies.async_gated_stream if isinstance(request, ASGIRequest) else bodies.gated_stream
    return StreamingHttpResponse(make())


def stream_boom(request: HttpRequest) -> StreamingHttpResponse:
    make = bodies.async_broken_stream if isinstance(request, ASGIRequest) else bodies.broken_stream
    return StreamingHttpResponse(make())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(bodies.FILE, "rb"))


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="application/octet-stream")


def boom(request: HttpRequest) -> HttpResponse:
    raise ValueError("boom in the view")


def odd(request: HttpRequest) -> HttpResponse:
    raise bodies.Odd("odd in the view")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def handled(request: HttpRequest) -> HttpResponse:
    raise bodies.HandledError("handled by a page")


def span(request: HttpRequest) -> HttpResponse:
    return HttpResponse(bodies.child_span())


def attribute(request: HttpRequest) -> HttpResponse:
    return HttpResponse(bodies.attribute())


urlpatterns = [
    path("", index),
    path("users/<int:id>", user),
    path("shop/", include([path("items/<slug:slug>", item, name="item")])),
    re_path(r"^archive/(?P<year>[0-9]{4})/(?P<slug>[\w-]+)/$", archive),
    re_path(r"^static/(?P<path>.*)$", serve, {"document_root": bodies.STATIC}),
    path("health", page),
    path("admin", page),
    path("administrators", page),
    path("redirect", leave),
    path("slow", slow),
    path("async", async_page),
    path("async-boom", async_boom),
    path("stream", stream),
    path("stream-gate", stream_gate),
    path("stream-boom", stream_boom),
    path("file", file),
    path("echo", echo),
    path("boom", boom),
    path("odd", odd),
    path("middleware-boom", page),
    path("forbidden", forbidden),
    path("handled", handled),
    path("span", span),
    path("attribute", attribute),
]

application = get_wsgi_application()
asgi_application = get_asgi_application()
