"""An application whose own tracer is there before its framework: `python early_tracer.py` says what it saw."""

from __future__ import annotations

from typing import Any

import odd
from opencensus.trace import execution_context, samplers
from opencensus.trace.tracer import Tracer


class Kept:
    """An exporter of the application's own: name of each span → name of its parent."""

    def __init__(self) -> None:
        self.parents: dict[str, str | None] = {}
        self.names: dict[str | None, str | None] = {None: None}

    def export(self, span_datas: list[Any]) -> None:
        for data in span_datas:
            self.names[data.span_id] = data.name
            self.parents[data.name] = self.names.get(data.parent_span_id, "a span that is not ours")


KEPT = Kept()
EARLY = Tracer(exporter=KEPT, sampler=samplers.AlwaysOnSampler())
execution_context.set_opencensus_attr("early", 1)
OPEN = EARLY.start_span("while importing")
KEPT.names[OPEN.span_id] = OPEN.name

from flask import Flask  # noqa: E402

app = Flask("early")


@app.route("/early/<name>")
def early(name: str) -> str:
    with EARLY.span(name):
        return "ok"


def current() -> Any:
    """Say whether the tracer, the attributes and the open span are still the current ones."""
    tracer, span = execution_context.get_opencensus_tracer(), execution_context.get_current_span()
    return [tracer is EARLY, execution_context.get_opencensus_attrs(), span is OPEN]


def outside() -> Any:
    """End the span that was open and open another one."""
    EARLY.end_span()
    with EARLY.span("between requests"):
        pass
    return execution_context.get_opencensus_tracer() is EARLY


if __name__ == "__main__":
    cases = {
        "imported": current,
        "asked": lambda: odd.ask(app, "/early/below"),
        "answered": current,
        "outside": outside,
    }
    again = {"asked again": lambda: odd.ask(app, "/early/alone"), "parents": lambda: KEPT.parents}
    odd.say({**cases, **again})
