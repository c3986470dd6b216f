"""The Flask sample that knows OpenCensus: `gunicorn flask_spans:app` runs it."""

from __future__ import annotations

from typing import Any, Callable

import spans
from flask import Flask, Response, jsonify

app = Flask("shop")


def add(path: str, view: Callable[[], Any]) -> None:
    """Add a view at its path, and below /hidden once more."""
    for prefix in ("", "/hidden"):
        app.add_url_rule(f"{prefix}/{path}", prefix + path, lambda: jsonify(view()))


def add_stream(path: str, make: Callable[[], Any]) -> None:
    """Add a streamed body at its path."""
    app.add_url_rule(f"/{path}", path, lambda: Response(make()))


for path, view in spans.VIEWS.items():
    add(path, view)
for path, make in spans.STREAMS.items():
    add_stream(path, make)
