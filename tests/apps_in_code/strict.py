"""An application whose warnings are errors: `python -W error strict.py` says what it answers."""

from __future__ import annotations

from typing import Any, Callable

import odd
from flask import Flask
from opencensus.trace import execution_context


def by_tracer() -> None:
    with execution_context.get_opencensus_tracer().span("outer") as outer:
        outer.add_annotation("picked", colour="red")
        execution_context.get_opencensus_tracer().start_span("inner")
        execution_context.get_opencensus_tracer().end_span()


def unended() -> None:
    execution_context.get_opencensus_tracer().start_span("forgotten")


def below_a_span() -> None:
    with execution_context.get_opencensus_tracer().span("outer") as outer, outer.span("below") as below:
        below.add_annotation("picked", colour="red")


def below_the_request() -> None:
    current = execution_context.get_current_span()
    if current is not None:
        current.add_annotation("picked", colour="red")
        with current.span("below"):
            pass


def asked(view: Callable[[], None]) -> Callable[[], Any]:
    """Return a case: an application with this view is asked."""
    app = Flask(view.__name__)
    app.add_url_rule(f"/{view.__name__}", "view", lambda: str(view() or "ok"))
    return lambda: odd.ask(app, f"/{view.__name__}")


if __name__ == "__main__":
    odd.say({view.__name__: asked(view) for view in (by_tracer, unended, below_a_span, below_the_request)})
