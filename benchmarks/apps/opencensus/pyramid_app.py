"""The Pyramid application, with OpenCensus wired into it as its documentation says."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from wiring import excluded, exporter, sampler


def user(request: Request) -> Response:
    return Response(f"user {int(request.matchdict['id'])}")


trace = {"SAMPLER": sampler, "EXPORTER": exporter, "EXCLUDELIST_PATHS": excluded}
with Configurator(settings={"OPENCENSUS": {"TRACE": trace}}) as config:
    config.add_route("user", "/users/{id}")
    config.add_view(user, route_name="user")
    config.add_tween("opencensus.ext.pyramid.pyramid_middleware.OpenCensusTweenFactory")
    app = config.make_wsgi_app()
