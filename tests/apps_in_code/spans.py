"""What applications that know OpenCensus do in a request; each function says what it saw."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator

from opencensus.trace import execution_context
from opencensus.trace.link import Link
from opencensus.trace.span import SpanKind
from opencensus.trace.status import Status
from opencensus.trace.tracer import Tracer

LINK = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def one() -> Any:
    with tracer().span("x") as span:
        return {"span": span.span_id, "parent": span.parent_span.span_id}


def nested() -> Any:
    """Open three spans inside one another, and a fourth beside the inner ones."""
    seen = []
    with tracer().span("outer") as outer:
        with tracer().span("middle") as middle, tracer().span("inner") as inner:
            seen.append(tracer().span_context.span_id == inner.span_id)
        with tracer().span("beside") as beside:
            seen.append(execution_context.get_current_span() is beside)
    seen.append(execution_context.get_current_span() is not outer)
    return {"ids": [span.span_id for span in (outer, middle, inner, beside)], "seen": seen}


def decorated() -> Any:
    """Have a function of the application traced by the decorator, and a span by hand."""

    trace = tracer().trace_decorator()

    @trace
    def counted() -> int:
        return 3

    tracer().start_span("by hand")
    tracer().end_span()
    return {"counted": counted()}


def rich() -> Any:
    """Say all that a span can say."""
    with tracer().span("rich") as span:
        span.add_attribute("basket", "3 apples")
        span.add_attribute("weight", 1.5)
        span.add_annotation("picked", colour="red")
        span.add_link(Link(*LINK))
        span.set_status(Status(code=5, message="not found"))
    with tracer().span("call") as call:
        call.span_kind = SpanKind.CLIENT
        call.add_attribute("component", "HTTP")
        call.add_attribute("http.method", "GET")
        call.add_attribute("http.url", "https://user:SECRET@shop.test:8443/cart?token=SECRET")
        call.add_attribute("http.status_code", 503)
    return {}


def properties() -> Any:
    """Put attributes on the request's own span, in each of the ways there are."""
    tracer().add_attribute_to_current_span("by tracer", "1")
    execution_context.get_current_span().add_attribute("by span", 2)
    tracer().current_span().attributes["by mapping"] = True
    with tracer().span("inside"):
        tracer().add_attribute_to_current_span("on the child", "4")
    return {}


def children() -> Any:
    """Make spans below the current one without the tracer."""
    current = execution_context.get_current_span()
    with current.span("first"):
        pass
    with current.span("second") as second, second.span("below"):
        pass
    never_started = current.span("never started")
    never_started.finish()
    return {"id": current.span_id, "second": second.span_id}


def headers() -> Any:
    """Build the headers of a call to another service."""
    now = tracer()
    outside = now.propagator.to_headers(now.span_context)
    with now.span("call"):
        inside = now.propagator.to_headers(now.span_context)
    return {"outside": outside, "inside": inside, "after": now.propagator.to_headers(now.span_context)}


def error() -> Any:
    with tracer().span("failing"), tracer().span("failing inside"):
        raise ValueError("boom in the span")


def caught() -> Any:
    with contextlib.suppress(ValueError):
        error()
    with tracer().span("afterwards"):
        return {}


def unended() -> Any:
    """Leave two spans open, as an application that forgets them."""
    tracer().start_span("forgotten")
    tracer().start_span("forgotten inside")
    return {}


def too_many_ends() -> Any:
    """End more spans than there are: the request's own is not for the application to end."""
    tracer().end_span()
    tracer().finish()
    return {}


def awkward() -> Any:
    """Put values on a span that cannot be written."""

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no comparison")

        __hash__ = None  # type: ignore[assignment]

    for span in (execution_context.get_current_span(), tracer().start_span("awkward")):
        span.add_attribute("unprintable", Unprintable())
        span.add_attribute(("a", "tuple"), b"\xff\xfe")
        span.add_attribute("surrogate \udc80", "\udcff")
        span.add_attribute("none", None)
        span.add_attribute("nan", float("nan"))
        for number in range(20):
            span.add_attribute(f"large {number}", "\x01" * 20_000)
    tracer().end_span()
    return {}


def thread() -> Any:
    """Open a span in a thread of the application, which belongs to the request."""

    def work() -> None:
        with tracer().span("in a thread"):
            seen.append(type(tracer()).__name__)

    seen: list[str] = []
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    return {"tracer": seen}


def what() -> Any:
    """Say what is in the execution context before this request has put anything there."""
    now = tracer()
    current = execution_context.get_current_span()
    context = getattr(now, "span_context", None)
    return {
        "tracer": type(now).__name__,
        "span": current and current.span_id,
        "trace": context and context.trace_id,
        "attrs": execution_context.get_opencensus_attrs(),
        "sampled": context and context.trace_options.enabled,
    }


def leak() -> Any:
    """Leave the execution context as untidy as an application can."""
    execution_context.set_opencensus_attr("left", "behind")
    Tracer(exporter=Nowhere())
    execution_context.get_opencensus_tracer().start_span("left behind")
    return {}


def clear() -> Any:
    """Empty the execution context, as OpenCensus's own middleware does in places."""
    execution_context.clear()
    return {}


class Nowhere:
    """An exporter of the application's own tracer."""

    def export(self, span_datas: list[Any]) -> None:
        """Drop them."""


def tracer() -> Any:
    """Return the tracer as applications get it."""
    return execution_context.get_opencensus_tracer()


def stream() -> Iterator[bytes]:
    """Open and close a span for each chunk of a body."""
    for number in range(3):
        with tracer().span(f"chunk {number}"):
            chunk = b"%d\n" % number
        yield chunk


def stream_across() -> Iterator[bytes]:
    """Keep a span open from the first chunk of a body to the last, with one inside it for each chunk."""
    with tracer().span("whole body"):
        for number in range(3):
            with tracer().span(f"part {number}"):
                chunk = b"%d\n" % number
            yield chunk


VIEWS: dict[str, Callable[[], Any]] = {
    view.__name__.replace("_", "-"): view
    for view in (
        one, nested, decorated, rich, properties, children, headers, error, caught, unended, too_many_ends, awkward,
        thread, what, leak, clear,
    )
}  # fmt: skip
STREAMS = {"stream": stream, "stream-across": stream_across}
