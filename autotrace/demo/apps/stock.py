"""The stock, in Pyramid: `gunicorn stock:app` serves it."""

from __future__ import annotations

import time

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def level(request: Request) -> Response:
    """Answer with how many of a product are there."""
    time.sleep(0.02)
    return Response(f"{int(request.matchdict['number'])}: 3 left")


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
