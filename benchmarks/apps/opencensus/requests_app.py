"""The Flask application whose view asks another service, with OpenCensus and its integration wired into it."""

from __future__ import annotations

import os

import requests
from flask import Flask
from opencensus.ext.flask.flask_middleware import FlaskMiddleware
from opencensus.trace import config_integration
from wiring import excluded, exporter, sampler

config_integration.trace_integrations(["requests"])
app = Flask(__name__)
FlaskMiddleware(app, exporter=exporter, sampler=sampler, excludelist_paths=excluded)
session = requests.Session()
# For each call it would read all environment variables for a proxy's, of which every launcher adds some.
session.trust_env = False
count, url = int(os.environ["CALLS_COUNT"]), os.environ["CALLS_URL"]


@app.get("/users/<int:id>")
def user(id: int) -> str:
    for _ in range(count):
        session.get(f"{url}/items/{id}", timeout=30).raise_for_status()
    return f"user {id}"
