"""The front of the shop (Flask): it asks the stock over requests and httpx, one after the other or in a pool."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import httpx
import requests

log = logging.getLogger("front")
app = flask.Flask("front")
STOCK = os.environ["STOCK_URL"]
pool = ThreadPoolExecutor(4)


@app.route("/buy/<int:number>")
def buy(number: int) -> Any:
    log.warning("somebody buys %d", number)
    answers = [ask_stock(number), ask_price(number)]
    return " ".join(answers), 502


@app.route("/pool/<int:number>")
def buy_in_a_pool(number: int) -> Any:
    log.warning("somebody buys %d", number)
    answers = [task.result() for task in (pool.submit(ask_stock, number), pool.submit(ask_price, number))]
    return " ".join(answers), 502


def ask_stock(number: int) -> str:
    return requests.get(f"{STOCK}/stock/{number}", timeout=30).text


def ask_price(number: int) -> str:
    return httpx.get(f"{STOCK}/price/{number}", timeout=30).text
