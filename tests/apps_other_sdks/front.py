"""The front of the shop (Flask): it asks services that other SDKs record."""

from __future__ import annotations

import os

import flask
import requests

app = flask.Flask("front")
PRICES, STOCK = os.environ["PRICES_URL"], os.environ["STOCK_URL"]


@app.route("/buy/<int:number>")
def buy(number: int) -> str:
    paths = (f"{PRICES}/price/{number}", f"{STOCK}/stock/{number}?ask={PRICES}/rate/{number}")
    return " ".join(str(requests.get(path, timeout=30).status_code) for path in paths)
