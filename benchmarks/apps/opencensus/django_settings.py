"""The settings of the Django application, with OpenCensus wired into it as its documentation says."""

from __future__ import annotations

from wiring import excluded, exporter, sampler

ALLOWED_HOSTS = ["shop.test", "127.0.0.1"]
MIDDLEWARE = [
    "opencensus.ext.django.middleware.OpencensusMiddleware",
    "django.middleware.common.CommonMiddleware",
]
OPENCENSUS = {"TRACE": {"SAMPLER": sampler, "EXPORTER": exporter, "EXCLUDELIST_PATHS": excluded}}
ROOT_URLCONF = "django_app"
SECRET_KEY = "only for measuring"  # noqa: S105
