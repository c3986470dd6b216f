"""The Django sample that knows OpenCensus, with asynchronous views: `uvicorn django_spans:application` runs it."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Callable, Iterator

import spans
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for tests",  # noqa: S106
    )


def add(where: str, view: Callable[[], Any]) -> list[URLPattern]:
    """Return the routes of a view: at its path, and below /hidden once more."""

    async def serve(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        answer = JsonResponse(view())
        await asyncio.sleep(0)
        return answer

    return [path(where, serve), path(f"hidden/{where}", serve)]


def add_stream(where: str, make: Callable[[], Iterator[bytes]]) -> URLPattern:
    """Return the route of a streamed body."""

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in make():
            yield chunk
            await asyncio.sleep(0)

    return path(where, lambda request: StreamingHttpResponse(chunks()))


async def waiting(request: HttpRequest) -> HttpResponse:
    """Keep a span open while other requests run on the same thread."""
    with spans.tracer().span("outer") as outer:
        await asyncio.sleep(0.05)
        with spans.tracer().span("inner") as inner:
            await asyncio.sleep(0.05)
    return JsonResponse({"outer": outer.span_id, "inner": inner.span_id})


urlpatterns = [path("waiting", waiting)]
for where, view in spans.VIEWS.items():
    urlpatterns += add(where, view)
urlpatterns += [add_stream(where, make) for where, make in spans.STREAMS.items()]
application = get_asgi_application()
