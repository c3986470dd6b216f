"""What the samples put into their OPENCENSUS settings: exporters, samplers and propagators of their own."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from opencensus.trace.span_context import SpanContext


class FileLines:
    """An exporter that appends one JSON line a span to the file that PROBE_FILE names."""

    def __init__(self, label: str = "lines") -> None:
        self.label = label

    def export(self, span_datas: list[Any]) -> None:
        with open(os.environ["PROBE_FILE"], "a") as file:
            for span in span_datas:
                said = {
                    "label": self.label,
                    "name": span.name,
                    "trace": span.context.trace_id,
                    "id": span.span_id,
                    "parent": span.parent_span_id,
                    "attributes": dict(span.attributes),
                    "status": span.status and span.status.code,
                    "kind": span.span_kind,
                    "times": [span.start_time, span.end_time],
                }
                file.write(json.dumps(said) + "\n")


class RaisingExporter(FileLines):
    """An exporter that exports, and raises all the same."""

    def export(self, span_datas: list[Any]) -> None:
        super().export(span_datas)
        raise RuntimeError("the exporter broke")


class BrokenExporter:
    """An exporter that cannot be made."""

    def __init__(self) -> None:
        raise OSError("no such place")

    def export(self, span_datas: list[Any]) -> None:
        """Never be called."""


class EverySecond:
    """A sampler that keeps every second request."""

    def __init__(self) -> None:
        self.asked = 0

    def should_sample(self, span_context: SpanContext) -> bool:
        self.asked += 1
        return self.asked % 2 == 0


class RaisingSampler:
    """A sampler that cannot decide."""

    def should_sample(self, span_context: SpanContext) -> bool:
        raise RuntimeError("the sampler broke")


class CustomPropagator:
    """A propagator of a header that nobody else knows."""

    def from_headers(self, headers: Mapping[str, str]) -> SpanContext:
        trace_id = headers.get("X-Custom-Trace")
        if trace_id is None:
            return SpanContext()
        return SpanContext(trace_id=trace_id, span_id="00f067aa0ba902b7", from_header=True)

    def to_headers(self, span_context: SpanContext) -> dict[str, str]:
        return {"X-Custom-Trace": span_context.trace_id}


class RaisingPropagator:
    """A propagator that cannot read any header."""

    def from_headers(self, headers: Mapping[str, str]) -> SpanContext:
        raise RuntimeError("the propagator broke")
