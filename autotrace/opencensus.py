"""The bridge to OpenCensus: the request is its execution context's tracer and current span, at next to no cost."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable

from opencensus.common.runtime_context import RuntimeContext
from opencensus.trace import execution_context, samplers, span_context, trace_options

from . import guard
from .current import CURRENT, SENDING
from .spans import span_of, tracer_of

if TYPE_CHECKING:
    from .propagation import Remote

NO_TRACER = execution_context._tracer_slot.default()
_is_marked = execution_context._exporter_slot.contextvar.get


class RequestSlot:
    """A slot of OpenCensus's execution context that is the current request's, unless the application set it.

    Nothing is made or set for a request that never looks: to set the stock slots and restore them cost more than
    everything else that happens before a view is called. What is set is held with the request that it was set in, as
    (request, value, what was held before): it counts for that request alone, and `release` forgets it. `keeps` tells
    that the value is changed in place, so that the one given out has to stay. OpenCensus is final, so its slots can be
    relied on.
    """

    def __init__(self, stock: Any, of_request: Callable[[Any], Any], *, keeps: bool = False) -> None:
        self.name = stock.name
        self.default = stock.default
        self.held: ContextVar[Any] = ContextVar(stock.name, default=None)
        self._of_request = of_request
        self._keeps = keeps
        # What the application set before this slot was there stays set.
        value = stock.contextvar.get(None)
        if value is not None and value is not stock.default():
            self.held.set((None, value, None))

    def get(self) -> Any:
        current = CURRENT.get()
        held = self.holds(current)
        if held is not None:
            return held[1]
        value = self.default() if current is None else self._of_request(current)
        if self._keeps:
            self.set(value)
        return value

    def set(self, value: Any) -> None:
        owner = owner_of(CURRENT.get())
        if owner is not None:
            owner.touched = True
        before = self.held.get()
        # Of requests that are over nothing is kept: a thread serves any number of them.
        while before is not None and before[0] is not None and (before[0] is owner or not before[0].open):
            before = before[2]
        if before is not None and before[0] is owner:
            before = before[2]
        self.held.set((owner, value, before))

    def clear(self) -> None:
        self.set(self.default())

    def holds(self, current: Any) -> Any:
        """Return what is held for a request (None: outside of requests), None for nothing."""
        held = self.held.get()
        if held is not None:
            owner = owner_of(current)
            while held is not None and held[0] is not owner:
                held = held[2]
        return held


def is_exporter() -> bool:
    """Tell whether this is a thread that exports, of ours or of OpenCensus: its calls and log lines are nobody's."""
    return SENDING.get() or _is_marked(False)


def own_tracer() -> Any:
    """Return the tracer that the application set where there is no request, None for none, and for exporters."""
    if TRACER.held.get() is None or is_exporter():
        return None
    tracer = TRACER.get()
    return None if tracer is NO_TRACER else tracer


def enclosing_span(recording: Any) -> Any:
    """Return the application's innermost open span in a request, None for none."""
    if not recording.touched or TRACER.holds(recording) is not None:
        # Spans of a tracer of the application's own are another trace.
        return None
    held = SPAN.holds(recording)
    span: Any = None if held is None else held[1]
    while getattr(span, "is_over", False):
        span = span.parent_span
    return None if span is recording.span else span


def owner_of(current: Any) -> Any:
    """Return the request that holds what is set now: a request inside a request shares its context."""
    return None if current is None else current.within or current


def release(recording: Any) -> tuple[Any, ...]:
    """Put the slots back as they were before a request; return what it left there, for `resume`."""
    left = tuple(slot.held.get() for slot in SLOTS)
    for slot, held in zip(SLOTS, left):
        if held is not None and held[0] is recording:
            slot.held.set(held[2])
    held = left[1]
    recording.innermost = held[1] if held is not None and held[0] is recording else None
    return left


def resume(recording: Any, left: tuple[Any, ...]) -> None:
    """Go on with what a request left: a span that is open from one chunk of a body to the next."""
    for slot, held in zip(SLOTS, left):
        if held is not None and held[0] is recording:
            # What is outside of the request may be another thing by now, in another thread.
            slot.held.set((recording, held[1], slot.held.get()))


class Carried:
    """What this context has of a request, for a thread to go on with it."""

    __slots__ = ("_current", "_held")

    def __init__(self) -> None:
        self._current = CURRENT.get()
        self._held = tuple(slot.held.get() for slot in SLOTS)

    def enter(self) -> None:
        """Let this context be in the request, wherever that has got to."""
        CURRENT.set(self._current)
        for slot, held in zip(SLOTS, self._held):
            slot.held.set(held)


def leave_all() -> None:
    """Let this context be in no request."""
    CURRENT.set(None)
    for slot in SLOTS:
        slot.held.set(None)


def carry() -> Carried | None:
    """Return what a thread takes along from here; None outside of requests, and for exporters."""
    return None if CURRENT.get() is None or is_exporter() else Carried()


def open_span(recording: Any) -> Any:
    """Return the application's innermost span that is open where a request ends, None for none."""
    held = SPAN.holds(recording)
    return recording.innermost if held is None else held[1]


def _replace_slot(module_name: str, of_request: Callable[[Any], Any], *, keeps: bool = False) -> RequestSlot:
    stock = getattr(execution_context, module_name)
    slot = RequestSlot(stock, of_request, keeps=keeps)
    setattr(execution_context, module_name, slot)
    type(RuntimeContext)._slots[stock.name] = slot
    return slot


def _span_below(recording: Any) -> Any:
    # Below a tracer of the application's own there is no span of ours: its spans are another trace.
    return span_of(recording) if TRACER.holds(recording) is None else None


def _attributes(recording: Any) -> dict[str, Any]:
    # What OpenCensus's integrations ask for by these names.
    hosts = () if recording.recorder is None else recording.recorder.hidden_hosts
    return dict.fromkeys(("blacklist_hostnames", "excludelist_hostnames"), sorted(hosts)) if hosts else {}


TRACER = _replace_slot("_tracer_slot", tracer_of)
SPAN = _replace_slot("_current_span_slot", _span_below)
SLOTS = (TRACER, SPAN, _replace_slot("_attrs_slot", _attributes, keeps=True))


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
