"""A Django application with one route."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def user(request: HttpRequest, id: int) -> HttpResponse:
    return HttpResponse(f"user {id}")


urlpatterns = [path("users/<int:id>", user)]
app = get_wsgi_application()
