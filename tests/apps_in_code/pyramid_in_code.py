"""A Pyramid sample with OPENCENSUS settings: `gunicorn "pyramid_in_code:create_app()"` runs the case of APP_CASE."""

from __future__ import annotations

import os
from typing import Any

import cases
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def page(request: Request) -> Response:
    return Response(request.path_info)


def create_app(in_code: Any = cases) -> Any:
    """Build the application with the given OPENCENSUS setting, by default that of APP_CASE."""
    with Configurator() as config:
        config.add_settings({"OPENCENSUS": cases.chosen() if in_code is cases else in_code})
        if os.environ.get("APP_MIDDLEWARE"):
            config.add_tween("opencensus.ext.pyramid.pyramid_middleware.OpenCensusTweenFactory")
        config.add_route("page", "/*path")
        config.add_view(page, route_name="page")
        return config.make_wsgi_app()
