"""The Flask application whose view asks another service over a kept connection."""

from __future__ import annotations

import os

import requests
from flask import Flask

app = Flask(__name__)
session = requests.Session()
# For each call it would read all environment variables for a proxy's, of which every launcher adds some.
session.trust_env = False
count, url = int(os.environ["CALLS_COUNT"]), os.environ["CALLS_URL"]


@app.get("/users/<int:id>")
def user(id: int) -> str:
    for _ in range(count):
        session.get(f"{url}/items/{id}", timeout=30).raise_for_status()
    return f"user {id}"
