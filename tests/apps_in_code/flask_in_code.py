"""A Flask sample with OPENCENSUS settings: `gunicorn "flask_in_code:create_app()"` runs the case of APP_CASE."""

from __future__ import annotations

import os
from typing import Any

import cases
from flask import Flask, request


def create_app(in_code: Any = cases) -> Flask:
    """Build the application with the given OPENCENSUS setting, by default that of APP_CASE."""
    flask = Flask("shop")
    flask.config["OPENCENSUS"] = cases.chosen() if in_code is cases else in_code
    if os.environ.get("APP_MIDDLEWARE"):
        from opencensus.ext.flask.flask_middleware import FlaskMiddleware

        FlaskMiddleware(flask)

    @flask.get("/", defaults={"path": ""})
    @flask.get("/<path:path>")
    def page(path: str) -> str:
        return request.path

    return flask
