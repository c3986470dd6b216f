"""The shop front, in Flask: `gunicorn shop:app` serves it. It asks the catalogue and the stock."""

from __future__ import annotations

import logging
import os

import requests
from flask import Flask, abort, request

# mypy: allow-untyped-decorators
app = Flask(__name__)
logging.basicConfig(level=logging.INFO)
log = logging.getLogger(__name__)
session = requests.Session()
baskets: dict[str, str] = {}


def ask(service: str, path: str) -> requests.Response:
    """Ask another service, whose address is in a variable."""
    return session.get(os.environ[f"{service}_URL"] + path, timeout=10)


@app.get("/")
def front() -> str:
    """Answer with the front page."""
    return f"welcome: {ask('CATALOGUE', '/products').text}"


@app.get("/products/<int:number>")
def product(number: int) -> str:
    """Answer with the page of a product."""
    answer = ask("CATALOGUE", f"/products/{number}")
    if answer.status_code == 404:
        abort(404)
    return answer.text


@app.get("/search")
def search() -> str:
    """Answer with the products that a word finds."""
    return ask("CATALOGUE", f"/search?word={request.args.get('word', '')}").text


@app.get("/basket")
def basket() -> str:
    """Fail as applications do: nobody has a basket yet."""
    return baskets["visitor"]


@app.post("/orders/<int:number>")
def order(number: int) -> tuple[str, int]:
    """Take an order of a product."""
    price = ask("CATALOGUE", f"/products/{number}").text
    if ask("STOCK", f"/levels/{number}").status_code != 200:
        log.error("product %d cannot be ordered now", number)
        return "not now", 503
    log.info("product %d is ordered", number)
    return f"ordered: {price}", 201


@app.get("/health")
def health() -> str:
    """Answer what a load balancer asks all the time."""
    return "ok"
