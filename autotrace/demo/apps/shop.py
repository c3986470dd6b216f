"""The shop front, in Flask: `gunicorn shop:app` serves it."""

from __future__ import annotations

from flask import Flask

# mypy: allow-untyped-decorators
app = Flask(__name__)
baskets: dict[str, str] = {}


@app.get("/")
def front() -> str:
    """Answer with the front page."""
    return "welcome"


@app.get("/products/<int:number>")
def product(number: int) -> str:
    """Answer with the page of a product."""
    return f"product {number}"


@app.get("/basket")
def basket() -> str:
    """Fail as applications do: nobody has a basket yet."""
    return baskets["visitor"]


@app.post("/orders")
def order() -> tuple[str, int]:
    """Take an order."""
    return "ordered", 201


@app.get("/health")
def health() -> str:
    """Answer what a load balancer asks all the time."""
    return "ok"
