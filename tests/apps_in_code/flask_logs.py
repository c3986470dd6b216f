"""A Flask application that logs while it is imported, in requests, in threads, and as it fails."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import flask

logging.basicConfig(
    stream=sys.stdout, format="%(levelname)s:%(name)s:%(traceId)s:%(spanId)s:%(samplingDecision)s:%(message)s"
)
log = logging.getLogger("shop.till")
quiet = logging.getLogger("shop.quiet")
quiet.propagate = False
quiet.addHandler(logging.StreamHandler(sys.stdout))
log.warning("imported")
app = flask.Flask("shop")


@app.route("/say/<word>")
def say(word: str) -> Any:
    log.info("below the level of the root logger")
    log.warning("said %s", word, extra={"custom_dimensions": {"word": word}})
    quiet.error("not for the root logger")
    return word


@app.route("/thread")
def thread() -> Any:
    worker = threading.Thread(target=log.warning, args=("in a thread",))
    worker.start()
    worker.join()
    return "done"


@app.route("/handled")
def handled() -> Any:
    try:
        raise LookupError("no such thing")
    except LookupError:
        log.exception("looked up")
    return "handled"


@app.route("/fail")
def fail() -> Any:
    try:
        raise ValueError("out of stock")
    except ValueError:
        log.exception("cannot sell")
        raise


@app.route("/fail-silently")
def fail_silently() -> Any:
    raise ValueError("out of sight")
