"""A Flask application made for OpenCensus: its integrations are on, and it may bring the stock exporter along."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

import flask
import requests
import sqlalchemy
from opencensus.ext.sqlalchemy.trace import trace_engine
from opencensus.trace import config_integration, execution_context
from opencensus.trace.link import Link
from opencensus.trace.status import Status

config_integration.trace_integrations(["logging", "requests", "threading"])
logging.basicConfig(stream=sys.stdout, format="%(traceId)s %(spanId)s %(traceSampled)s %(message)s")
log = logging.getLogger("shop")
app = flask.Flask("shop")
engine = sqlalchemy.create_engine("sqlite://")
trace_engine(engine)


def change(envelope: Any) -> Any:
    """Change an item, drop it, or fail."""
    if envelope.data.baseData.name == "GET /dropped":
        return False
    envelope.data.baseData.properties["processed"] = "yes"
    return True


def fail(envelope: Any) -> Any:
    raise RuntimeError("a processor that fails")


if "STOCK" in os.environ:
    from opencensus.ext.azure.trace_exporter import AzureExporter

    exporter = AzureExporter(connection_string=os.environ["STOCK"])
    exporter.add_telemetry_processor(fail)
    exporter.add_telemetry_processor(change)
    app.config["OPENCENSUS"] = {"TRACE": {"EXPORTER": exporter}}


@app.route("/requests")
def outgoing() -> Any:
    return requests.get(os.environ["NEIGHBOUR"] + "/there?key=s3cret", timeout=9).text


@app.route("/sqlalchemy")
def database() -> Any:
    with engine.connect() as connection:
        return str(connection.execute(sqlalchemy.text("SELECT 1")).scalar())


@app.route("/log")
def write() -> Any:
    log.warning("written")
    return "ok"


@app.route("/spans")
def spans() -> Any:
    tracer = execution_context.get_opencensus_tracer()
    tracer.add_attribute_to_current_span("colour", "red")
    execution_context.get_current_span().add_annotation("on the request", weight=3)
    with tracer.span("outer") as outer:
        outer.add_annotation("on a span", weight=4)
        outer.add_link(Link("1" * 32, "2" * 16))
        with tracer.span("inner") as inner:
            inner.set_status(Status(13, "broken"))
            worker = threading.Thread(target=work)
            worker.start()
            worker.join()
    return "ok"


def work() -> None:
    with execution_context.get_opencensus_tracer().span("in a thread") as span:
        span.add_attribute("in", "thread")


@app.route("/dropped")
def dropped() -> Any:
    return "ok"
