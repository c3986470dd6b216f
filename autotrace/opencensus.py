"""The bridge to OpenCensus: the request is its execution context's tracer and current span, at next to no cost."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, List, Optional

from opencensus.trace import execution_context, samplers, span, span_context, status, trace_options, tracer
from opencensus.trace.propagation import trace_context_http_header_format
from opencensus.trace.tracers import context_tracer, noop_tracer

if TYPE_CHECKING:
    from .propagation import Remote
    from .recorder import Recording

# The slots' own context variables: a third of the cost of RuntimeContext's attribute access, and the library is final.
TRACER = execution_context._tracer_slot.contextvar
SPAN = execution_context._current_span_slot.contextvar
ATTRS = execution_context._attrs_slot.contextvar
NO_TRACER = execution_context._tracer_slot.default()


class RequestTracer(tracer.Tracer):  # type: ignore[misc]
    """The tracer of one request. It becomes a full OpenCensus tracer only when something reads one of its parts."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        build = _TRACER_PARTS.get(name)
        if build is None:
            raise AttributeError(name)
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
        from_header=recording.remote is not None,
    )


def _inner_tracer(self: Any) -> Any:
    if self._recording.sampled:
        return context_tracer.ContextTracer(exporter=self.exporter, span_context=self.span_context)
    return noop_tracer.NoopTracer()


_TRACER_PARTS = {
    "span_context": _span_context,
    "sampler": lambda self: samplers.AlwaysOnSampler() if self._recording.sampled else samplers.AlwaysOffSampler(),
    "exporter": lambda self: ChildExporter(self._recording),
    "propagator": lambda self: trace_context_http_header_format.TraceContextPropagator(),
    "tracer": _inner_tracer,
}


class RequestSpan(span.Span):  # type: ignore[misc]
    """The request as OpenCensus's current span; what the application adds to it goes into the request item."""

    def __init__(self, recording: Recording) -> None:
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


_SPAN_PARTS = {
    "attributes": _attributes,
    "name": lambda self: self._recording.environ.get("REQUEST_METHOD", ""),
    "parent_span": lambda self: span.base.NullContextManager(span_id=self._recording.parent_id),
    "start_time": lambda self: iso_time(self._recording.started),
    "end_time": lambda self: None,
    "annotations": lambda self: span.BoundedList(span.MAX_NUM_ANNOTATIONS),
    "message_events": lambda self: span.BoundedList(span.MAX_NUM_MESSAGE_EVENTS),
    "links": lambda self: span.BoundedList(span.MAX_NUM_LINKS),
    "status": lambda self: status.Status.as_ok(),
    "stack_trace": lambda self: None,
    "same_process_as_parent_span": lambda self: None,
    "_child_spans": lambda self: [],
    "context_tracer": lambda self: self._recording.tracer.tracer,
    "span_kind": lambda self: span.SpanKind.SERVER,
}


class ChildExporter:
    """Where the spans made inside a request go: to the exporter of the request."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def export(self, span_datas: List[Any]) -> None:
        self._recording.recorder.exporter.spans(self._recording, span_datas)


def iso_time(nanoseconds: int) -> str:
    """Return a wall-clock time, in nanoseconds since the epoch, as OpenCensus writes times: UTC, microseconds, `Z`."""
    moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9 // 1000:06d}Z"


def export_children(recording: Recording) -> None:
    """Export the spans that were made with `current_span().span()`: they have no tracer that would end them."""
    children = recording.span.__dict__.get("_child_spans")
    if not children:
        return
    own = context_tracer.ContextTracer(exporter=None, span_context=recording.tracer.span_context)
    finished = [data for child in children for data in own.get_span_datas(child) if data.end_time]
    if finished:
        recording.recorder.exporter.spans(recording, finished)


def sampling_rule(sampler: Any) -> Any:
    """Return an OpenCensus sampler's rule: a rate in percent where it is constant, else a `recorder.Sampler`.

    A ProbabilitySampler keeps its own rule, which always keeps what the caller sampled: such an item stands for
    itself alone, any other for 1/rate requests. Raises TypeError for what is no sampler.
    """
    if type(sampler) is samplers.AlwaysOnSampler:
        return 100.0
    if type(sampler) is samplers.AlwaysOffSampler:
        return 0.0
    if not callable(getattr(sampler, "should_sample", None)):
        raise TypeError(f"{type(sampler).__name__} has no should_sample method")
    known_rate = 100.0 * sampler.rate if type(sampler) is samplers.ProbabilitySampler else 100.0

    def decide(trace_id: str, remote: Optional[Remote]) -> Optional[float]:
        forced = remote is not None and remote.sampled
        context = span_context.SpanContext(
            trace_id=trace_id,
            span_id=remote.span_id if remote is not None else None,
            trace_options=trace_options.TraceOptions("1" if forced else "0"),
            from_header=remote is not None,
        )
        if not sampler.should_sample(context):
            return None
        return 100.0 if forced else known_rate

    return decide
