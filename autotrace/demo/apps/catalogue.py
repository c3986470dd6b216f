"""The catalogue, in Django: `uvicorn catalogue:application` serves it."""

from __future__ import annotations

import asyncio
import secrets
from typing import AsyncIterator

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
    USE_TZ=True,
)
PRODUCTS = {17: "lamp", 42: "towel"}


def product(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with what is known of a product."""
    if number not in PRODUCTS:
        raise Http404
    return HttpResponse(PRODUCTS[number])


async def export(request: HttpRequest) -> StreamingHttpResponse:
    """Answer with all products, row by row as they are found."""
    return StreamingHttpResponse(rows(), content_type="text/csv")


async def rows() -> AsyncIterator[str]:
    """Yield the rows, each a while after the one before."""
    for number, name in PRODUCTS.items():
        await asyncio.sleep(0.1)
        yield f"{number},{name}\n"


async def health(request: HttpRequest) -> HttpResponse:
    """Answer what a load balancer asks all the time."""
    return HttpResponse("ok")


urlpatterns = [
    path("products/<int:number>", product),
    path("export", export),
    path("health", health),
]
application = get_asgi_application()
