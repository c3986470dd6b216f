"""What gunicorn does for each sample: it notes every request that it hands to the application."""

from __future__ import annotations

import os
from typing import Any

bind = os.environ.get("APP_BIND", "127.0.0.1:8000")
loglevel = "error"


def pre_request(worker: Any, request: Any) -> None:
    """Append one line for each request to the file that APP_REACHED names."""
    if "APP_REACHED" in os.environ:
        with open(os.environ["APP_REACHED"], "a") as reached:
            reached.write(f"{request.method}\n")


def post_worker_init(worker: Any) -> None:
    """Say that a worker is ready to be ended: a signal that comes earlier is lost."""
    if "APP_READY" in os.environ:
        os.write(2, b"worker ready\n")
