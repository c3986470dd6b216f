"""The Django application, with OpenCensus wired into it as its documentation says."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from wiring import excluded, exporter, sampler

settings.configure(
    ALLOWED_HOSTS=["shop.test", "127.0.0.1"],
    MIDDLEWARE=[
        "opencensus.ext.django.middleware.OpencensusMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    OPENCENSUS={"TRACE": {"SAMPLER": sampler, "EXPORTER": exporter, "EXCLUDELIST_PATHS": excluded}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for measuring",  # noqa: S106
)


def user(request: HttpRequest, id: int) -> HttpResponse:
    return HttpResponse(f"user {id}")


urlpatterns = [path("users/<int:id>", user)]
app = get_wsgi_application()
