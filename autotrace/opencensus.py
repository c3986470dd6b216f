"""The bridge to OpenCensus: the request is its execution context's tracer and current span, at next to no cost."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable

from opencensus.common.runtime_context import RuntimeContext
from opencensus.trace import execution_context, samplers, span_context, trace_options

from . import guard
from .current import CURRENT
from .spans import span_of, tracer_of

if TYPE_CHECKING:
    from .propagation import Remote

NO_TRACER = execution_context._tracer_slot.default()
# What a slot of OpenCensus's context holds while nothing but the request itself decides what is in it.
DEFER: Any = object()


class _RequestSlot:
    """A slot of OpenCensus's execution context that is the current request's, unless the application set it.

    Nothing is made or set for a request that never looks: setting the stock slots and restoring them cost more than
    everything else that happens before a view is called. OpenCensus is final, so its slots can be relied on.
    """

    def __init__(self, stock: Any, of_request: Callable[[Any], Any]) -> None:
        self.name = stock.name
        self.default = stock.default
        self.contextvar: ContextVar[Any] = ContextVar(stock.name, default=DEFER)
        self._of_request = of_request
        # What the application set before this slot was there stays set.
        value = stock.contextvar.get(None)
        if value is not None and value is not stock.default():
            self.contextvar.set(value)

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
    slot = _RequestSlot(stock, of_request)
    setattr(execution_context, module_name, slot)
    type(RuntimeContext)._slots[stock.name] = slot
    return slot.contextvar


def _span_below(recording: Any) -> Any:
    # Below a tracer of the application's own there is no span of ours: its spans are another trace.
    return span_of(recording) if TRACER.get() is DEFER else None


TRACER = _replace_slot("_tracer_slot", tracer_of)
SPAN = _replace_slot("_current_span_slot", _span_below)
ATTRS = execution_context._attrs_slot.contextvar


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
