"""A Pyramid application with one route."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def user(request: Request) -> Response:
    return Response(f"user {int(request.matchdict['id'])}")


with Configurator() as config:
    config.add_route("user", "/users/{id}")
    config.add_view(user, route_name="user")
    app = config.make_wsgi_app()
