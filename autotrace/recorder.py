"""One incoming request from its first byte to its last: what is recorded, under which ids, and when it ends.

This is the path that every request takes. It is written for few calls and few objects: what a small function more
costs in a benchmark of its own, it costs several times over between a framework's code that fills the caches.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns, time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional

from . import guard
from .current import CURRENT
from .ids import new_ids
from .opencensus import ATTRS, DEFER, NO_TRACER, SPAN, TRACER
from .propagation import Extract, Remote, tracecontext
from .sampling import score
from .spans import export_children

if TYPE_CHECKING:
    from .blacklist import Blacklist
    from .exporters import Exporter

Environ = Mapping[str, Any]
# What remains of a request's environ after its end.
_NOTHING: Environ = MappingProxyType({})
Sampler = Callable[[str, Optional[Remote]], Optional[float]]


class Passing:
    """A request that is not recorded; it marks the context so that what runs inside is not taken for a request."""

    open = True
    answered = False
    sampled = False
    environ: Environ = _NOTHING
    tracer: Any = NO_TRACER
    span: Any = None


class Recording:
    """An incoming request that is being recorded.

    `sampled` False means that only its trace context lives: spans inside are not exported and no item is made.
    `status` is the response's status as text. `route` is called at the end to learn the route template, which is
    relative to `mount`, a SCRIPT_NAME. `answered` means that its last byte is on its way, `buffered` that the
    response's body is in memory, `inner` is the body as the innermost application returned it. `rate` is the share of
    requests that are kept, in percent; `path` is SCRIPT_NAME and PATH_INFO as they came, for mounting moves them about.
    """

    # Defaults of the class: a request sets what differs.
    open = True
    answered = False
    sampled = True
    buffered = False
    inner: Any = None
    failed = False
    sent = False
    status: str | None = None
    route: Callable[[], str | None] | None = None
    mount = ""
    attributes: Mapping[Any, Any] | None = None
    # OpenCensus's tracer and span, made when the application asks for them.
    tracer: Any = None
    span: Any = None
    duration = 0
    rate: float
    path: tuple[str, str]
    started: int
    clock: int

    def __init__(
        self, recorder: Recorder, environ: Environ, trace_id: str, remote: Remote | None, span_id: str
    ) -> None:
        self.recorder = recorder
        self.environ = environ
        self.trace_id = trace_id
        self.remote = remote
        self.span_id = span_id
        self.parent_id = None if remote is None else remote.span_id

    def fail(self) -> None:
        """Note that an exception escaped; before the first byte of the body the server answers 500 in its place."""
        self.failed = True
        if not self.sent:
            self.status = "500"

    def finish(self) -> None:
        """End the request and hand it to the exporter; only the first call counts. Never raises."""
        if not self.open:
            return
        self.duration = perf_counter_ns() - self.clock
        self.open = False
        self._export()
        while LATE:
            LATE.popleft()._export()

    def finish_later(self) -> None:
        """End the request now and export it with the next one: for finalizers, which may run while a lock is held."""
        if self.open:
            self.duration = perf_counter_ns() - self.clock
            self.open = False
            LATE.append(self)

    def _export(self) -> None:
        exporter = self.recorder.exporter
        if self.span is not None:
            try:
                export_children(self)
            except Exception as error:
                guard.failed("exporting the spans of a request", error)
        try:
            exporter.request(self)
        except Exception as error:
            guard.failed("exporting a request", error)
        # Contexts that the application copied may live on, and with them this object: not what it refers to.
        self.environ = _NOTHING
        self.route = self.inner = self.span = self.tracer = self.attributes = None


# Requests that ended in a finalizer.
LATE: deque[Recording] = deque()


class Recorder:
    """What one application's requests are recorded with; all of it is decided once, before its first request.

    `rate` is the share of traces kept in percent, decided by operation id; `sampler`, when given, decides in its
    place and returns the percentage it stands for, or None for a trace that is not kept.
    """

    def __init__(
        self,
        exporter: Exporter,
        blacklist: Blacklist | None = None,
        rate: float = 100.0,
        sampler: Sampler | None = None,
        extract: Extract = tracecontext,
    ) -> None:
        self.exporter = exporter
        self.hides = None if blacklist is None else blacklist.hides
        self.rate = rate
        self.sampler = sampler
        self.extract = extract

    def start(self, environ: Environ) -> Any:
        """Decide on a request from its WSGI environ alone; return a Recording, or Passing for a blacklisted one."""
        if self.hides is not None and self.hides(environ):
            return Passing()
        remote = self.extract(environ)
        random = new_ids()
        trace_id = random[16:] if remote is None else remote.trace_id
        rate: float | None = self.rate
        if self.sampler is not None:
            rate = self.sampler(trace_id, remote)
        elif self.rate < 100 and score(trace_id) >= self.rate:
            rate = None
        recording = Recording(self, environ, trace_id, remote, random[:16])
        if rate is None:
            recording.sampled = False
            return recording
        recording.rate = rate
        recording.path = (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""))
        recording.started = time_ns()
        recording.clock = perf_counter_ns()
        return recording


def enter(recording: Any) -> tuple[Any, ...]:
    """Make `recording` the current request of this context and of OpenCensus's; return what `leave` needs."""
    outer = CURRENT.get()
    tracer, span = TRACER.get(), SPAN.get()
    CURRENT.set(recording)
    if tracer is not DEFER:
        TRACER.set(DEFER)
    if span is not DEFER:
        SPAN.set(DEFER)
    # A finished request is left over where a server's callback inherited the context of an earlier one.
    return (outer if outer is None or outer.open else None, tracer, span, ATTRS.get(None))


def leave(saved: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Put the context back as it was before `enter`; return what the request left there, for `resume`.

    Values are set back, not reset by token: servers may leave a request in another context than they entered it in.
    """
    outer, tracer, span, attributes = saved
    left = (TRACER.get(), SPAN.get(), ATTRS.get(None))
    CURRENT.set(outer)
    if left[0] is not tracer:
        TRACER.set(tracer)
    if left[1] is not span:
        SPAN.set(span)
    if left[2] is not attributes:
        ATTRS.set({} if attributes is None else attributes)
    return left


def resume(left: tuple[Any, Any, Any]) -> None:
    """Go on, after `enter`, with what a request left: a span that is open from one chunk of a body to the next."""
    tracer, span, attributes = left
    if tracer is not DEFER:
        TRACER.set(tracer)
    if span is not DEFER:
        SPAN.set(span)
    if attributes is not None:
        ATTRS.set(attributes)
