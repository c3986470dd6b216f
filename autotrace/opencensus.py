"""The bridge to OpenCensus: the request is its execution context's tracer and current span, at next to no cost."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

from opencensus.common.runtime_context import RuntimeContext
from opencensus.trace import execution_context, samplers, span, span_context, status, trace_options, tracer
from opencensus.trace.propagation.tracestate_string_format import TracestateStringFormatter
from opencensus.trace.tracers import context_tracer, noop_tracer

from . import guard
from .current import CURRENT
from .propagation import propagator_of

if TYPE_CHECKING:
    from .propagation import Remote
    from .recorder import Recording

NO_TRACER = execution_context._tracer_slot.default()
# What a slot of OpenCensus's context holds while nothing but the request itself decides what is in it.
DEFER: Any = object()


class _RequestSlot:
    """A slot of OpenCensus's execution context that is the current request's, unless the application set it.

    Nothing is made or set for a request that never looks: setting the stock slots and restoring them cost more than
    everything else that happens before a view is called. OpenCensus is final, so its slots can be relied on.
    """

    def __init__(self, name: str, stock: Any, of_request: Callable[[Any], Any]) -> None:
        self.name = name
        self.default = stock.default
        self.contextvar: ContextVar[Any] = ContextVar(name, default=DEFER)
        self._of_request = of_request

    def get(self) -> Any:
        value = self.contextvar.get()
        if value is DEFER:
            recording = CURRENT.get()
            value = self.default() if recording is None else self._of_request(recording)
        return value

    def set(self, value: Any) -> None:
        self.contextvar.set(value)

    def clear(self) -> None:
        self.contextvar.set(self.default())


def _replace_slot(module_name: str, of_request: Callable[[Any], Any]) -> ContextVar[Any]:
    stock = getattr(execution_context, module_name)
    slot = _RequestSlot(stock.name, stock, of_request)
    setattr(execution_context, module_name, slot)
    type(RuntimeContext)._slots[stock.name] = slot
    return slot.contextvar


class RequestTracer(tracer.Tracer):  # type: ignore[misc]
    """The tracer of one request. It becomes a full OpenCensus tracer only when something reads one of its parts."""

    def __init__(self, recording: Recording) -> None:
        # What the stock tracer does here is left out: sampling, and making itself the current one.
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
        return context_tracer.ContextTracer(exporter=self.exporter, span_context=self.span_context)
    return noop_tracer.NoopTracer()


_TRACER_PARTS: dict[str, Callable[[Any], Any]] = {
    "span_context": _span_context,
    "sampler": lambda self: samplers.AlwaysOnSampler() if self._recording.sampled else samplers.AlwaysOffSampler(),
    "exporter": lambda self: ChildExporter(self._recording),
    "propagator": lambda self: propagator_of(self._recording.recorder.extract),
    "tracer": _inner_tracer,
}


class RequestSpan(span.Span):  # type: ignore[misc]
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
    "start_time": lambda self: iso_time(self._recording.started),
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


TRACER = _replace_slot("_tracer_slot", tracer_of)
SPAN = _replace_slot("_current_span_slot", span_of)
ATTRS = execution_context._attrs_slot.contextvar


def iso_time(nanoseconds: int) -> str:
    """Return a wall-clock time, in nanoseconds since the epoch, as OpenCensus writes times: UTC, microseconds, `Z`."""
    moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9 // 1000:06d}Z"


def export_children(recording: Recording) -> None:
    """Export the spans that nobody else will, as the request ends.

    Those made with `current_span().span()` have no tracer that would; those that the application forgot to end do so
    now, as they do with OpenCensus's own middleware.
    """
    request_tracer = tracer_of(recording)
    children = recording.span.__dict__.get("_child_spans", ())
    own = context_tracer.ContextTracer(exporter=None, span_context=request_tracer.span_context)
    rest = [data for child in children for data in own.get_span_datas(child) if data.end_time]
    inner = request_tracer.__dict__.get("tracer")
    forgotten = inner.list_collected_spans() if inner is not None else []
    while forgotten:
        last = forgotten.pop()
        last.finish()
        rest += own.get_span_datas(last)
    if rest:
        recording.recorder.exporter.spans(recording, rest)


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

    def decide(trace_id: str, remote: Remote | None) -> float | None:
        forced = remote is not None and remote.sampled
        context = span_context.SpanContext(
            trace_id=trace_id,
            span_id=remote.span_id if remote is not None else None,
            trace_options=trace_options.TraceOptions("1" if forced else "0"),
            from_header=remote is not None,
        )
        try:
            keep = sampler.should_sample(context)
        except Exception as error:
            guard.warn("sampler", f"the sampler fails, requests are recorded ({type(error).__name__}: {error})")
            return 100.0
        if not keep:
            return None
        return 100.0 if forced else known_rate

    return decide
