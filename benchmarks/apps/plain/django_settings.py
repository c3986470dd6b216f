"""The settings of the Django application."""

from __future__ import annotations

ALLOWED_HOSTS = ["shop.test", "127.0.0.1"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "django_app"
SECRET_KEY = "only for measuring"  # noqa: S105
