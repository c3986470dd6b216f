"""A Flask application with one route."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/users/<int:id>")
def user(id: int) -> str:
    return f"user {id}"
