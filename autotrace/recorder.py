"""One incoming request from its first byte to its last: what is recorded, under which ids, and when it ends.

This is the path that every request takes. It is written for few calls and few objects: what a small function more
costs in a benchmark of its own, it costs several times over between a framework's code that fills the caches.
"""

from __future__ import annotations

from contextvars import ContextVar
from os import urandom
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Tuple

from . import guard
from .opencensus import ATTRS, NO_TRACER, SPAN, TRACER, RequestSpan, RequestTracer, export_children
from .propagation import Extract, Remote, tracecontext
from .sampling import score

if TYPE_CHECKING:
    from .blacklist import Blacklist
    from .exporters import Exporter

Environ = Mapping[str, Any]
Sampler = Callable[[str, Optional[Remote]], Optional[float]]
# The request that runs in this context: a Recording, a Passing, or None.
CURRENT: ContextVar[Any] = ContextVar("autotrace", default=None)


class Passing:
    """A request that is not recorded; it marks the context so that what runs inside is not taken for a request."""

    open = True
    sampled = False
    environ = None


class Recording:
    """An incoming request that is being recorded.

    `sampled` False means that only its trace context lives: spans inside are not exported and no item is made.
    `status` is the response's status as text, `route` what is called at the end to learn the route template,
    `buffered` that the response's body is in memory: nothing of the application runs after its return. `rate` is the
    share of requests that are kept, in percent; `path` is SCRIPT_NAME and PATH_INFO, which mounting moves about.
    """

    # Defaults of the class: a request sets what differs.
    open = True
    sampled = True
    buffered = False
    failed = False
    sent = False
    status: Optional[str] = None
    route: Optional[Callable[[], Optional[str]]] = None
    attributes: Optional[Mapping[Any, Any]] = None
    duration = 0

    def __init__(self, recorder: Recorder, environ: Environ, remote: Optional[Remote]) -> None:
        random = urandom(24).hex()
        self.recorder = recorder
        self.environ = environ
        self.remote = remote
        self.span_id = random[:16]
        if remote is None:
            self.trace_id = random[16:]
            self.parent_id = None
        else:
            self.trace_id = remote.trace_id
            self.parent_id = remote.span_id
        self.tracer = RequestTracer(self)

    def begin(self, rate: float) -> None:
        """Start the clocks of a request that is kept."""
        environ = self.environ
        self.rate = rate
        self.path: Tuple[str, str] = (environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""))
        self.span = RequestSpan(self)
        self.started = time_ns()
        self.clock = perf_counter_ns()

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
        try:
            exporter = self.recorder.exporter
            if "_child_spans" in self.span.__dict__:
                export_children(self)
            exporter.request(self)
        except Exception as error:
            guard.failed("exporting a request", error)


class Recorder:
    """What one application's requests are recorded with; all of it is decided once, before its first request.

    `rate` is the share of traces kept in percent, decided by operation id; `sampler`, when given, decides in its
    place and returns the percentage it stands for, or None for a trace that is not kept.
    """

    def __init__(
        self,
        exporter: Exporter,
        blacklist: Optional[Blacklist] = None,
        rate: float = 100.0,
        sampler: Optional[Sampler] = None,
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
        recording = Recording(self, environ, self.extract(environ))
        rate: Optional[float] = self.rate
        if self.sampler is not None:
            rate = self.sampler(recording.trace_id, recording.remote)
        elif self.rate < 100 and score(recording.trace_id) >= self.rate:
            rate = None
        if rate is None:
            recording.sampled = False
            recording.span = None
        else:
            recording.begin(rate)
        return recording


def enter(recording: Recording) -> Tuple[Any, ...]:
    """Make `recording` the current request of this context and of OpenCensus's; return what `leave` needs."""
    outer = CURRENT.get()
    if outer is None or outer.open:
        saved = (outer, TRACER.get(NO_TRACER), SPAN.get(None), ATTRS.get(None))
    else:
        # Left over from an earlier request: a server's callback inherited the context of that one.
        saved = (None, NO_TRACER, None, None)
    CURRENT.set(recording)
    TRACER.set(recording.tracer)
    SPAN.set(recording.span)
    return saved


def leave(saved: Tuple[Any, ...]) -> None:
    """Put the context back as it was before `enter`.

    Values are set back, not reset by token: servers may leave a request in another context than they entered it in.
    """
    outer, tracer, span, attributes = saved
    CURRENT.set(outer)
    TRACER.set(tracer)
    SPAN.set(span)
    if ATTRS.get(None) is not attributes:
        ATTRS.set({} if attributes is None else attributes)
