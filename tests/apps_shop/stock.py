"""The stock of the shop (Django): it asks a PostgreSQL database, a Redis server, and the shelf."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import django
import httpx
import redis
import requests
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path

SHELF = os.environ["SHELF_URL"]
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(8).hex(),
    # The server has the same: Django says nothing about it to a new connection.
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": os.environ["POSTGRESQL_PORT"],
            "NAME": "shop",
            "USER": "clerk",
        }
    },
)
django.setup()
cache = redis.Redis(port=int(os.environ["REDIS_PORT"]))


def count(number: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM item WHERE id <= %s", [number])
        (found,) = cursor.fetchone()
    # The server allows only so many connections.
    connection.close()
    return int(found)


def stock(request: Any, number: int) -> HttpResponse:
    answer = requests.get(f"{SHELF}/shelf/{number}", timeout=30)
    return HttpResponse(f"{count(number)} {answer.status_code}")


def price(request: Any, number: int) -> HttpResponse:
    return HttpResponse(cache.incr(f"price {number}"))


async def stock_async(request: Any, number: int) -> HttpResponse:
    async with httpx.AsyncClient(timeout=30) as client:
        found, answer = await asyncio.gather(sync_to_async(count)(number), client.get(f"{SHELF}/shelf/{number}"))
    return HttpResponse(f"{found} {answer.status_code}")


async def price_async(request: Any, number: int) -> HttpResponse:
    return HttpResponse(await sync_to_async(cache.incr)(f"price {number}"))


IS_ASYNC = "STOCK_IS_ASYNC" in os.environ
urlpatterns = [
    path("stock/<int:number>", stock_async if IS_ASYNC else stock),
    path("price/<int:number>", price_async if IS_ASYNC else price),
]
application = get_wsgi_application()
asgi_application = get_asgi_application()
