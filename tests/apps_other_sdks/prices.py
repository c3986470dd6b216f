"""The prices of the shop, recorded with OpenTelemetry by hand, sent by Microsoft's exporter: `prices.py PORT`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from azure.monitor.opentelemetry import exporter
from opentelemetry import propagate, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

spans = TracerProvider()
spans.add_span_processor(BatchSpanProcessor(exporter.AzureMonitorTraceExporter()))
trace.set_tracer_provider(spans)
logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(exporter.AzureMonitorLogExporter()))
metrics = MeterProvider([PeriodicExportingMetricReader(exporter.AzureMonitorMetricExporter())])

tracer = spans.get_tracer("prices")
logger = logs.get_logger("prices")
asked = metrics.get_meter("prices").create_counter("asked")


class Handler(BaseHTTPRequestHandler):
    """Answers /price/N, for which it asks the stock, and /rate/N; number 0 has no price."""

    def do_GET(self) -> None:
        kind, number = self.path.split("/")[1:]
        host, port = self.server.server_address[:2]
        told = {
            **{"http.request.method": "GET", "http.route": f"/{kind}/{{number}}", "url.scheme": "http"},
            **{"url.path": self.path, "server.address": host, "server.port": port},
        }
        context = propagate.extract({name.lower(): value for name, value in self.headers.items()})
        with tracer.start_as_current_span(f"GET /{kind}", context, trace.SpanKind.SERVER, told) as span:
            asked.add(1, {"kind": kind})
            status = 200
            try:
                self.work(kind, int(number))
            except ValueError as error:
                status = 500
                span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR)
            span.set_attribute("http.response.status_code", status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def work(self, kind: str, number: int) -> None:
        """Do what an answer takes; ValueError for number 0."""
        if number == 0:
            raise ValueError("0 has no price")
        if kind == "price":
            ask(f"{os.environ['STOCK_URL']}/stock/{number}")
            logger.emit(severity_number=SeverityNumber.WARN, body=f"the price of {number} was asked")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def ask(url: str) -> None:
    """Call another service."""
    told = {"http.request.method": "GET", "url.full": url}
    with tracer.start_as_current_span("GET", None, trace.SpanKind.CLIENT, told) as span:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:  # noqa: S310
            span.set_attribute("http.response.status_code", answer.status)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(0.05)
# What is left is sent.
for provider in (spans, logs, metrics):
    provider.shutdown()
