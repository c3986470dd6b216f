"""The request as OpenCensus's tracer and span, and the spans that the application makes below it."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from time import time_ns
from typing import TYPE_CHECKING, Any, Callable

from opencensus.trace import (
    execution_context,
    samplers,
    span,
    span_context,
    span_data,
    status,
    time_event,
    trace_options,
    tracer,
    utils,
)
from opencensus.trace.attributes import Attributes
from opencensus.trace.propagation.tracestate_string_format import TracestateStringFormatter
from opencensus.trace.tracers import context_tracer, noop_tracer

from . import guard
from .messages import of_annotation
from .propagation import propagator_of
from .times import timestamp

if TYPE_CHECKING:
    from .calls import Call
    from .recorder import Recording


# Spans of OpenCensus's integrations that begin in one function and end in another one, which no failed call gets to.
_LEFT_OPEN = re.compile(r"\w+\.query|\[httplib\]\w+").fullmatch


class RequestTracer(tracer.Tracer):  # type: ignore[misc]
    """The tracer of one request. It becomes a full OpenCensus tracer only when something reads one of its parts."""

    def __init__(self, recording: Recording) -> None:
        # What the stock tracer does here is left out: sampling, and making itself the current one.
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        build = _TRACER_PARTS.get(name)
        if build is None:
            if name.startswith("_"):
                raise AttributeError(name)
            # What the tracer outside of requests has on top, such as list_collected_spans.
            return getattr(self.tracer, name)
        value = self.__dict__[name] = build(self)
        return value

    def should_sample(self) -> bool:
        return self._recording.sampled


def _span_context(self: Any) -> Any:
    recording = self._recording
    flag = "1" if recording.sampled else "0"
    return span_context.SpanContext(
        trace_id=recording.trace_id,
        span_id=recording.span_id,
        trace_options=trace_options.TraceOptions(flag),
        tracestate=None if recording.remote is None else _tracestate(recording.remote.tracestate),
        from_header=recording.remote is not None,
    )


def _tracestate(header: str | None) -> Any:
    """Return what other vendors add to the trace, to be passed on; None where it is missing or malformed."""
    try:
        return TracestateStringFormatter().from_string(header) if header else None
    except ValueError:
        return None


def _inner_tracer(self: Any) -> Any:
    if self._recording.sampled:
        return ChildTracer(self._recording, exporter=self.exporter, span_context=self.span_context)
    return noop_tracer.NoopTracer()


_TRACER_PARTS: dict[str, Callable[[Any], Any]] = {
    "span_context": _span_context,
    "sampler": lambda self: samplers.AlwaysOnSampler() if self._recording.sampled else samplers.AlwaysOffSampler(),
    "exporter": lambda self: ChildExporter(self._recording),
    "propagator": lambda self: propagator_of(self._recording.recorder.extract),
    "tracer": _inner_tracer,
}


class TimelySpan(span.Span):  # type: ignore[misc]
    """A span that asks for the time in another way than the stock one, which Python deprecates.

    Where warnings are errors, a view that traced nothing before would fail with the stock one. `is_over` tells that
    its call is, though the span is still the current one.
    """

    is_over = False

    def start(self) -> None:
        """Note the time."""
        self.start_time = timestamp(time_ns())

    def finish(self) -> None:
        """Note the time."""
        if not self.is_over:
            self.end_time = timestamp(time_ns())

    def span(self, name: str = "child_span") -> Any:
        """Make a span below this one that ends by itself."""
        child = TimelySpan(name, parent_span=self)
        self.children.append(child)
        return child

    def add_annotation(self, description: str, **attributes: Any) -> None:
        """Add a note with the time and attributes."""
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        self.annotations.append(time_event.Annotation(now, description, Attributes(attributes)))


class ChildTracer(context_tracer.ContextTracer):  # type: ignore[misc]
    """The tracer of the spans inside a request; below them all is the request's own span, which nothing ends."""

    def __init__(self, recording: Recording, exporter: Any, span_context: Any) -> None:
        super().__init__(exporter=exporter, span_context=span_context)
        self._recording = recording

    def current_span(self) -> Any:
        """Return the innermost open span, at least the request's."""
        return super().current_span() or span_of(self._recording)

    def start_span(self, name: str = "span") -> Any:
        """Start a span below the current one."""
        started = TimelySpan(name, parent_span=self.current_span(), context_tracer=self)
        with self._spans_list_condition:
            self._spans_list.append(started)
        self.span_context.span_id = started.span_id
        execution_context.set_current_span(started)
        started.start()
        return started

    def end_span(self, *args: Any, **kwargs: Any) -> Any:
        """End the current span; one `end_span` too many leaves the request as it is."""
        current = self.current_span()
        return current if isinstance(current, RequestSpan) else super().end_span(*args, **kwargs)


class RequestSpan(TimelySpan):
    """The request as OpenCensus's current span; what the application adds to it goes into the request item."""

    def __init__(self, recording: Recording) -> None:
        # What the stock span makes here, a dozen containers, is built when it is read.
        self._recording = recording
        self.span_id = recording.span_id

    def __getattr__(self, name: str) -> Any:
        build = _SPAN_PARTS.get(name)
        if build is None:
            raise AttributeError(name)
        value = self.__dict__[name] = build(self)
        return value

    def finish(self) -> None:
        """Do nothing: the request ends with its response, whatever ends its span."""


def _attributes(self: Any) -> Any:
    attributes = self._recording.attributes = span.BoundedDict(span.MAX_NUM_ATTRIBUTES)
    return attributes


_SPAN_PARTS: dict[str, Callable[[Any], Any]] = {
    "attributes": _attributes,
    "name": lambda self: self._recording.environ.get("REQUEST_METHOD", ""),
    "parent_span": lambda self: span.base.NullContextManager(span_id=self._recording.parent_id),
    "start_time": lambda self: timestamp(self._recording.started),
    "end_time": lambda self: None,
    "annotations": lambda self: span.BoundedList(span.MAX_NUM_ANNOTATIONS),
    "message_events": lambda self: span.BoundedList(span.MAX_NUM_MESSAGE_EVENTS),
    "links": lambda self: span.BoundedList(span.MAX_NUM_LINKS),
    "status": lambda self: status.Status.as_ok(),
    "stack_trace": lambda self: None,
    "same_process_as_parent_span": lambda self: None,
    "_child_spans": lambda self: [],
    "context_tracer": lambda self: tracer_of(self._recording).tracer,
    "span_kind": lambda self: span.SpanKind.SERVER,
}


class ChildExporter:
    """Where the spans made inside a request go: to the exporter of the request."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def export(self, span_datas: list[Any]) -> None:
        """Export spans; never raises, as the application's own code is what ends them."""
        try:
            self._recording.recorder.exporter.spans(self._recording, span_datas)
        except Exception as error:
            guard.failed("exporting a span", error)


def tracer_of(recording: Any) -> Any:
    """Return the OpenCensus tracer of a request, made on first use."""
    if recording.tracer is None:
        recording.tracer = RequestTracer(recording)
    return recording.tracer


def span_of(recording: Any) -> Any:
    """Return the OpenCensus span of a request that is kept, made on first use; None for another."""
    if recording.span is None and recording.sampled:
        recording.span = RequestSpan(recording)
    return recording.span


def export_children(recording: Recording, innermost: Any) -> None:
    """Export the spans that nobody else will, as the request ends.

    Those made with `current_span().span()` have no tracer that would; those that the application forgot to end do so
    now, as they do with OpenCensus's own middleware: `innermost` and the open ones around it. What is open in threads
    and tasks ends there.
    """
    request_tracer = tracer_of(recording)
    children = recording.span.__dict__.get("_child_spans", ())
    own = context_tracer.ContextTracer(exporter=None, span_context=request_tracer.span_context)
    rest = [data for child in children for data in own.get_span_datas(child) if data.end_time]
    inner = request_tracer.__dict__.get("tracer")
    started = inner.list_collected_spans() if inner is not None else []
    while isinstance(innermost, TimelySpan) and innermost in started:
        started.remove(innermost)
        innermost.finish()
        rest += own.get_span_datas(innermost)
        innermost = innermost.parent_span
    for data in rest:
        # One at a time: a span that cannot be exported costs none but itself.
        request_tracer.exporter.export([data])
    for annotation in recording.span.__dict__.get("annotations", ()):
        recording.recorder.exporter.message(recording, of_annotation(annotation, recording.span_id))


def span_outside(tracer: Any) -> Any:
    """Return a span that has begun below the current one of the application's own tracer, without becoming current.

    None where that tracer keeps no spans.
    """
    inner = getattr(tracer, "tracer", None)
    if not isinstance(inner, context_tracer.ContextTracer):
        return None
    parent = tracer.current_span() or span.base.NullContextManager(span_id=inner.span_context.span_id)
    begun = TimelySpan("call", parent_span=parent, context_tracer=inner)
    begun.start()
    return begun


def context_of(tracer: Any, of: Any) -> Any:
    """Return the SpanContext of a span of a tracer."""
    known = tracer.span_context
    return span_context.SpanContext(known.trace_id, of.span_id, known.trace_options, known.tracestate)


def export_span(tracer: Any, ended: Any) -> None:
    """End a span that is not current, and hand it to the tracer's exporter."""
    ended.finish()
    tracer.exporter.export(tracer.tracer.get_span_datas(ended))


def end_left_open(covering: Any, call: Call) -> None:
    """Note that the span of an integration is over with a call that failed, where the integration leaves it open."""
    if isinstance(covering, TimelySpan) and not covering.is_over and _LEFT_OPEN(str(covering.name)):
        covering.finish()
        covering.status = _status_of(call)
        covering.is_over = True


def describe_call(call: Call, described: Any) -> None:
    """Have an OpenCensus span tell an outgoing call, as OpenCensus's own integrations do."""
    described.name = call.name
    described.span_kind = span.SpanKind.CLIENT
    described.status = _status_of(call)
    for key, value in _attributes_of(call).items():
        described.add_attribute(key, value)


def call_span(recording: Recording, call: Call) -> Any:
    """Return an outgoing call as the SpanData of a span of kind CLIENT."""
    return span_data.SpanData(
        name=call.name,
        context=span_context.SpanContext(trace_id=recording.trace_id, span_id=call.id),
        span_id=call.id,
        parent_span_id=call.parent_id,
        attributes=_attributes_of(call),
        start_time=timestamp(call.started),
        end_time=timestamp(call.started + call.duration),
        child_span_count=0,
        stack_trace=None,
        annotations=[],
        message_events=[],
        links=[],
        status=_status_of(call),
        same_process_as_parent_span=True,
        span_kind=span.SpanKind.CLIENT,
    )


def _attributes_of(call: Call) -> dict[str, Any]:
    said: dict[str, Any] = {"component": call.kind, "peer.address": call.target}
    if call.kind == "Http":
        said.update({"http.method": call.name.partition(" ")[0], "http.url": call.data, "http.host": call.target})
        if call.code.isdigit():
            said["http.status_code"] = int(call.code)
    elif call.data:
        said["db.statement"] = call.data
    return said


def _status_of(call: Call) -> Any:
    if call.kind == "Http" and call.code.isdigit():
        return utils.status_from_http_code(int(call.code))
    return status.Status.as_ok() if call.success else status.Status(2, call.code)
