"""The Django sample's own command: `python manage.py runserver 8000`."""

from __future__ import annotations

import sys

import django_app  # noqa: F401 - it configures the settings
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
