"""A Django application with one route."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["shop.test", "127.0.0.1"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for measuring",  # noqa: S106
)


def user(request: HttpRequest, id: int) -> HttpResponse:
    return HttpResponse(f"user {id}")


urlpatterns = [path("users/<int:id>", user)]
app = get_wsgi_application()
