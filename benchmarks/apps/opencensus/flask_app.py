"""The Flask application, with OpenCensus wired into it as its documentation says."""

from __future__ import annotations

from flask import Flask
from opencensus.ext.flask.flask_middleware import FlaskMiddleware
from wiring import excluded, exporter, sampler

app = Flask(__name__)
FlaskMiddleware(app, exporter=exporter, sampler=sampler, excludelist_paths=excluded)


@app.get("/users/<int:id>")
def user(id: int) -> str:
    return f"user {id}"
