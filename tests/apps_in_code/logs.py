"""A program that uses a framework without serving anything, and logs."""

import logging
import os
import sys

import django
import django.core.handlers.wsgi  # noqa: F401

logging.getLogger("job").error("done %d", 7)
logging.getLogger("azure.core").error("not of the application")
if "fork" in sys.argv and os.fork() == 0:
    os._exit(0)
