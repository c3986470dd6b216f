"""A Django sample with OPENCENSUS settings: `gunicorn "django_in_code:create_app()"` runs the case of APP_CASE."""

from __future__ import annotations

import os
from typing import Any

import cases
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import re_path


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.path_info)


urlpatterns = [re_path("^.*$", page)]


def configure(in_code: Any) -> None:
    """Set the settings of the process; there is one application in it."""
    middleware = ["opencensus.ext.django.middleware.OpencensusMiddleware"]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=middleware if os.environ.get("APP_MIDDLEWARE") else [],
        OPENCENSUS=cases.chosen() if in_code is cases else in_code,
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for tests",  # noqa: S106
    )


def create_app(in_code: Any = cases) -> Any:
    """Build the WSGI application with the given OPENCENSUS setting, by default that of APP_CASE."""
    from django.core.wsgi import get_wsgi_application

    configure(in_code)
    return get_wsgi_application()


def create_asgi_app() -> Any:
    """Build the ASGI application with the OPENCENSUS setting of APP_CASE."""
    from django.core.asgi import get_asgi_application

    configure(cases)
    return get_asgi_application()
