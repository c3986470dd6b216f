"""The catalogue, in Django: `uvicorn catalogue:application` serves it. Its products are in a database."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from contextlib import closing
from typing import AsyncIterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["CATALOGUE_FILE"]}},
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
    USE_TZ=True,
)
django.setup()
PRODUCTS = {13: "clock", 17: "lamp", 42: "towel"}
# The application should have an index; it counts instead.
SLOW = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 400000)
SELECT name FROM product WHERE name LIKE %s AND (SELECT count(*) FROM numbers) > 0
"""

with closing(sqlite3.connect(os.environ["CATALOGUE_FILE"], isolation_level=None)) as file:
    file.execute("CREATE TABLE product (number INTEGER PRIMARY KEY, name TEXT)")
    file.executemany("INSERT INTO product VALUES (?, ?)", PRODUCTS.items())


def found(query: str, *parameters: object) -> list[str]:
    """Return the names that a query finds."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [name for (name,) in cursor.fetchall()]


def products(request: HttpRequest) -> HttpResponse:
    """Answer with the names of all products."""
    return HttpResponse(", ".join(found("SELECT name FROM product ORDER BY name")))


def product(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with what is known of a product."""
    names = found("SELECT name FROM product WHERE number = %s", number)
    if not names:
        raise Http404
    return HttpResponse(names[0])


def search(request: HttpRequest) -> HttpResponse:
    """Answer with the products whose names have a word in them, slowly."""
    return HttpResponse(", ".join(found(SLOW, f"%{request.GET.get('word', '')}%")))


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
    path("products", products),
    path("products/<int:number>", product),
    path("search", search),
    path("export", export),
    path("health", health),
]
application = get_asgi_application()
