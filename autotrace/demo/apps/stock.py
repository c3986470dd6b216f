"""The stock, in Pyramid: `gunicorn stock:app` serves it."""

from __future__ import annotations

import sqlite3
import time

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

LEVELS = {17: 3, 42: 12}
shelves = sqlite3.connect(":memory:", check_same_thread=False)
shelves.execute("CREATE TABLE shelf (number INTEGER PRIMARY KEY, level INTEGER)")
shelves.executemany("INSERT INTO shelf VALUES (?, ?)", LEVELS.items())


def level(request: Request) -> Response:
    """Answer with how many of a product are there; fail as applications do for one that nobody has counted."""
    number = int(request.matchdict["number"])
    time.sleep(0.02)
    row = shelves.execute("SELECT level FROM shelf WHERE number = ?", [number]).fetchone()
    if row is None:
        raise LookupError(f"nobody has counted product {number}")
    return Response(f"{number}: {row[0]} left")


def recount(request: Request) -> Response:
    """Fail as applications do."""
    raise RuntimeError("the scales do not answer")


def health(request: Request) -> Response:
    """Answer what a load balancer asks all the time."""
    return Response("ok")


with Configurator() as config:
    for name, pattern, view in [
        ("level", "/levels/{number}", level),
        ("recount", "/recount", recount),
        ("health", "/health", health),
    ]:
        config.add_route(name, pattern)
        config.add_view(view, route_name=name)
    app = config.make_wsgi_app()
