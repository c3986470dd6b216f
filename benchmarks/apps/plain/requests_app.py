"""The Flask application whose view asks another service over a kept connection."""

from __future__ import annotations

import os

import requests
from flask import Flask

app = Flask(__name__)
session = requests.Session()
count, url = int(os.environ["CALLS_COUNT"]), os.environ["CALLS_URL"]


@app.get("/users/<int:id>")
def user(id: int) -> str:
    for _ in range(count):
        session.get(f"{url}/items/{id}", timeout=30).raise_for_status()
    return f"user {id}"
