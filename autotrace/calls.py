"""Outgoing calls: whether one is recorded, where it belongs, and what is kept of it from its begin to its end."""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from time import perf_counter_ns, time_ns
from typing import Any, Callable, Sequence, Tuple

from . import guard
from .current import CURRENT, request_here
from .dependencies import CLIENT
from .exceptions import hide_frame
from .ids import new_span_id
from .opencensus import enclosing_span, is_exporter, own_tracer
from .propagation import headers_of
from .spans import context_of, describe_call, end_left_open, export_span, span_outside

Headers = Sequence[Tuple[str, str]]

# The kind of messages that are published.
QUEUE = "Queue Message | celery"
# The call that runs in this context: what it calls in turn is a part of it.
CALL: ContextVar[Any] = ContextVar("autotrace call", default=None)


class Call:
    """A call to another service, made by `begin`. Libraries set its texts, then `finish` or `fail` ends it.

    `kind` is what the service calls its type, `target` a logical host, `code` the result as text. `parent_id` is the
    span id of the request or span that it belongs to. `started` is in nanoseconds since 1970.
    """

    # Defaults of the class: a call sets what differs. There is no __init__, which would be one call more.
    is_told = True
    is_open = True
    kind = name = target = data = id = ""
    code = "0"
    success = True
    duration = 0
    recording: Any = None
    parent_id: str | None = None
    started: int
    clock: int

    def fail(self, error: BaseException, code: str = "") -> None:
        """End the call, which raised `error`; `code` is what the service called it."""
        self.code = code or type(error).__name__
        self.success = False
        self.finish()

    def finish(self) -> None:
        """End the call and hand it to the exporter; only the first time counts. Never raises."""
        if self.is_open:
            self.is_open = False
            self.duration = perf_counter_ns() - self.clock
            try:
                self.recording.hold(self)
            except Exception as error:
                guard.failed("exporting an outgoing call", error)

    def headers(self) -> Headers:
        """Return the HTTP headers that make the called service's request a part of this call."""
        recording = self.recording
        remote = recording.remote
        state = None if remote is None else remote.tracestate
        return headers_of(recording.recorder.extract, recording.trace_id, self.id, recording.sampled, state)


class Untold(Call):
    """A call of which no item is made, though it carries the trace on: of a trace that is not kept, say."""

    is_told = False

    def finish(self) -> None:
        """End the call."""
        self.is_open = False


class Covered(Untold):
    """A call that the application has a span for."""

    span: Any

    def fail(self, error: BaseException, code: str = "") -> None:
        """End the call, which raised `error`, and its span where nobody else will."""
        super().fail(error, code)
        try:
            end_left_open(self.span, self)
        except Exception as problem:
            guard.failed("ending a span", problem)


class OwnCall(Call):
    """A call outside of requests, recorded as a span of the tracer that the application has of its own.

    The span is never the current one: calls may end in any order, or not at all.
    """

    span: Any
    tracer: Any

    def headers(self) -> Headers:
        """Return the headers that the application's propagator writes."""
        return tuple(self.tracer.propagator.to_headers(context_of(self.tracer, self.span)).items())

    def finish(self) -> None:
        """End the call and its span, and hand that to the application's exporter; only the first time counts."""
        if self.is_open:
            self.is_open = False
            try:
                describe_call(self, self.span)
                export_span(self.tracer, self.span)
            except Exception as error:
                guard.failed("exporting an outgoing call", error)


def begin_own(tracer: Any, kind: str) -> OwnCall | None:
    """Begin a call as a span of an OpenCensus tracer; None where that does not keep the trace."""
    span = span_outside(tracer)
    if span is None or getattr(span.parent_span, "span_kind", None) == CLIENT:
        return None
    call = OwnCall()
    call.tracer, call.span, call.kind, call.id = tracer, span, kind, span.span_id
    call.started, call.clock = time_ns(), perf_counter_ns()
    return call


def begin(kind: str, host: str = "", port: int | None = None, *, carries: bool = False) -> Call | None:
    """Begin a call to a service; None where nothing is to be recorded of it.

    That is so outside of requests, in requests that are not recorded, inside of another call, for hosts that the
    settings hide, and for exporters. With `carries`, the call may be one that is only to pass the trace on.
    """
    outer: Call | None = CALL.get()
    if outer is not None:
        if not outer.is_open:
            # A task that began in a call may outlive it.
            outer = None
        elif is_part(kind, outer.kind):
            return None
    recording = CURRENT.get()
    if recording is None:
        tracer = own_tracer()
        return None if tracer is None else begin_own(tracer, kind)
    # Most are made in a request that runs: what a call more costs, it costs each of them.
    if not recording.live or recording.within is not None:
        recording = request_here()
    if recording is None or is_exporter():
        return None
    hidden = recording.recorder.hidden_hosts
    if hidden and is_hidden(hidden, host, port):
        return None
    call = Call()
    parent_id = recording.span_id
    if not recording.sampled:
        if not carries:
            return None
        call = Untold()
        call.id = parent_id
    elif outer is not None and outer.is_told:
        # Of what the application does in the middle of a call: a function of its own in a database, say.
        parent_id = outer.id
    elif recording.touched and (span := enclosing_span(recording)) is not None:
        parent_id = span.span_id
        if span.span_kind == CLIENT:
            # The application has a span for this very call.
            call = Covered()
            call.span, call.id = span, parent_id
    call.id = call.id or new_span_id()
    call.parent_id = parent_id
    call.recording = recording
    call.kind = kind
    call.started = time_ns()
    call.clock = perf_counter_ns()
    return call


def is_part(kind: str, outer: str) -> bool:
    """Tell whether a call of one kind inside of another is what the other is made of.

    Whatever a message is published with is; an HTTP request in the middle of a statement is the application's own.
    """
    if outer == QUEUE or not outer:
        return True
    return kind == outer or not {kind, outer} & {"Http", "redis", QUEUE}


def is_hidden(hosts: frozenset[str], host: str, port: int | None) -> bool:
    """Tell whether calls to a host are not recorded; `hosts` has `host` and `host:port`, in lower case."""
    if not host:
        return False
    host = host.lower()
    spelled = f"[{host}]" if ":" in host else host
    return host in hosts or spelled in hosts or f"{spelled}:{port}" in hosts


def target_of(host: str, port: int | None, default: int | None) -> str:
    """Return how a target is written: `host`, or `host:port` where the port is not the default one."""
    spelled = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return spelled if port is None or port == default else f"{spelled}:{port}"


def traced(
    original: Any, describe: Callable[..., Call | None], code_of: Callable[[Any], str] = lambda error: ""
) -> Any:
    """Return the method `original` with its calls recorded.

    `describe` gets the arguments of the method and begins the call, or returns None. `code_of` returns what the
    service calls an error, empty for nothing.
    """

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        call = begun(describe, args, kwargs)
        if call is None:
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                raise
        outer = CALL.get()
        CALL.set(call)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            failed(call, error, code_of)
            hide_frame(error)
            raise
        finally:
            CALL.set(outer)
        call.finish()
        return result

    return method


def traced_async(
    original: Any, describe: Callable[..., Call | None], code_of: Callable[[Any], str] = lambda error: ""
) -> Any:
    """Return the coroutine method `original` with its calls recorded, as `traced` does."""

    @wraps(original)
    async def method(*args: Any, **kwargs: Any) -> Any:
        call = begun(describe, args, kwargs)
        if call is None:
            try:
                return await original(*args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                raise
        outer = CALL.get()
        CALL.set(call)
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            failed(call, error, code_of)
            hide_frame(error)
            raise
        finally:
            CALL.set(outer)
        call.finish()
        return result

    return method


def begun(describe: Callable[..., Call | None], args: Any, kwargs: Any) -> Call | None:
    """Return the call that `describe` begins; None where there is none, or it fails."""
    current = CURRENT.get()
    # The most common answers first: outside of requests, and in one that is not recorded.
    if current is None:
        if own_tracer() is None:
            return None
    elif current.recorder is None and current.within is None:
        return None
    try:
        return describe(*args, **kwargs)
    except Exception as error:
        guard.failed("describing an outgoing call", error)
        return None


def failed(call: Call, error: BaseException, code_of: Callable[[Any], str]) -> None:
    """End a call that raised `error`."""
    code = ""
    try:
        code = code_of(error)
    except Exception as problem:
        guard.failed("reading the error of an outgoing call", problem)
    call.fail(error, code)
