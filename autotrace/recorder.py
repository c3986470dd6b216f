"""One incoming request from its first byte to its last: what is recorded, under which ids, and when it ends.

This is the path that every request takes. It is written for few calls and few objects: what a small function more
costs in a benchmark of its own, it costs several times over between a framework's code that fills the caches.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns, time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Optional

from . import exceptions, guard
from .current import CURRENT, request_here
from .ids import new_ids, on_new_process
from .opencensus import NO_TRACER, open_span, release
from .propagation import Extract, Remote, tracecontext
from .sampling import score
from .spans import export_children

if TYPE_CHECKING:
    from .blacklist import Blacklist
    from .calls import Call
    from .exporters import Exporter

Environ = Mapping[str, Any]
# What remains of a request's environ after its end.
_NOTHING: Environ = MappingProxyType({})
Sampler = Callable[[str, Optional[Remote]], Optional[float]]


# Exceptions that are remembered as told.
_TOLD_MOST = 20
# Outgoing calls that are kept for the end of their request, and for how many nanoseconds while it runs.
_HELD_MOST, _HELD_LONGEST = 32, 10**9


class Passing:
    """A request that is not recorded; it marks the context so that what runs inside is not taken for a request.

    `within` is the recorded request that it was made from in this process, None for one that came from outside;
    the others are as in `Recording`.
    """

    open = True
    live = False
    answered = False
    sampled = False
    touched = False
    buffered = False
    sent = False
    status: str | None = None
    within: Any = None
    inner: Any = None
    environ: Environ = _NOTHING
    recorder: Any = None
    tracer: Any = NO_TRACER
    span: Any = None
    innermost: Any = None

    def close(self) -> None:
        """End the request."""
        self.open = False
        self.within = self.inner = None

    # What ends a request that is recorded ends this one.
    finish = finish_later = close

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


class Recording:
    """An incoming request that is being recorded, made by `Recorder.start`.

    `sampled` is False for `Unsampled` alone.
    `status` is the response's status as text. `route` is the template that the framework found, relative to `mount`,
    a SCRIPT_NAME. `answered` means that its last byte is on its way, `buffered` that the response's body is in memory,
    `inner` is the body as the innermost application returned it. `rate` is the share of requests that are kept, in
    percent; `script` and `path` are SCRIPT_NAME and PATH_INFO as they came, for mounting moves them about. `touched`
    tells that the application set something in OpenCensus's context. `live` is `open` and `sampled` in one. `failure`
    is the last exception that was seen, which need not have made the request fail.
    """

    # Defaults of the class: a request sets what differs.
    open = True
    live = True
    answered = False
    sampled = True
    touched = False
    buffered = False
    within: Any = None
    inner: Any = None
    failed = False
    failure: exceptions.Failure | None = None
    # Exceptions that were told while the request ran.
    told: tuple[exceptions.Failure, ...] = ()
    # Outgoing calls that have ended and are not exported yet; in a process forked by the request none is held.
    held: list[Call]
    holds = True
    # When they were last exported, by the clock of `clock`.
    emptied = 0
    # The framework's request, where `Recorder.locate` needs it.
    asked: Any = None
    sent = False
    status: str | None = None
    route: str | None = None
    mount = ""
    attributes: Mapping[Any, Any] | None = None
    # OpenCensus's tracer and span, made when the application asks for them.
    tracer: Any = None
    span: Any = None
    # The application's span that was open when the request was last left.
    innermost: Any = None
    duration = 0
    recorder: Recorder
    environ: Environ
    trace_id: str
    span_id: str
    remote: Remote | None
    rate = 100.0
    script = ""
    path: str
    started: int
    clock: int

    @property
    def parent_id(self) -> str | None:
        """The caller's span id, None for the first request of a trace."""
        return None if self.remote is None else self.remote[1]

    @property
    def reason(self) -> exceptions.Failure | None:
        """What made the request fail; None where it did not, or nothing is known."""
        return self.failure if self.failed or (self.status or "500").strip()[:1] == "5" else None

    def close(self) -> None:
        """End a request of which nothing is recorded; contexts that the application copied may live on."""
        self.open = False
        self.environ = _NOTHING
        if self.tracer is not None or self.inner is not None:
            self.inner = self.tracer = None

    def fail(self, error: BaseException) -> None:
        """Note that `error` escaped; before the first byte of the body the server answers 500 in its place."""
        self.failed = True
        if not self.sent:
            self.status = "500"
        self.note(error)

    def note(self, error: BaseException, choose: Callable[[Any], BaseException | None] | None = None) -> None:
        """Remember an exception, for the case that the request fails; never raises.

        `choose` returns what to remember in its place, None for an exception that is an answer and no failure.
        """
        try:
            chosen = error if choose is None else choose(error)
            if chosen is not None:
                self.failure = None
                self.failure = exceptions.read(chosen)
        except Exception as problem:
            guard.failed("reading an exception", problem)

    def tell(self, failure: exceptions.Failure) -> bool:
        """Note that an exception is told by itself, as a log line; False where that was done already."""
        if exceptions.is_among(failure, self.told):
            return False
        self.told = (*self.told, failure)[-_TOLD_MOST:]
        return True

    def hold(self, call: Call) -> None:
        """Export an outgoing call that has ended, with the others of the request: one by one costs twice as much.

        A request that was not answered has no need of its calls, should the process be killed before its end.
        """
        held = self.held
        held.append(call)
        # Looked at behind the append: whoever ends the request meanwhile exports what is there, or this does.
        if (
            not self.open
            or not self.holds
            or len(held) >= _HELD_MOST
            or call.clock - (self.emptied or self.clock) > _HELD_LONGEST
        ):
            self.emptied = call.clock
            self.export_calls()

    def export_calls(self) -> None:
        """Export the outgoing calls that are held, each once, whatever other threads do meanwhile."""
        held, taken = self.held, []
        try:
            while held:
                taken.append(held.pop(0))
        except IndexError:
            # Another thread took the last.
            pass
        if taken:
            self.recorder.exporter.calls(self, taken)

    def find_route(self) -> str | None:
        """Return the route, looked for in the framework as long as the request runs; never raises."""
        locate = self.recorder.locate
        if self.route is None and self.open and locate is not None:
            try:
                locate(self)
            except Exception as error:
                guard.failed("looking for a route", error)
        return self.route

    def finish(self) -> None:
        """End the request and hand it to the exporter; only the first call counts. Never raises."""
        if not self.open:
            return
        self.duration = perf_counter_ns() - self.clock
        self.open = self.live = False
        self._export()
        if LATE:
            export_late()

    def finish_later(self) -> None:
        """End the request now and export it with the next one: for finalizers, which may run while a lock is held."""
        if self.open:
            self.duration = perf_counter_ns() - self.clock
            self.open = self.live = False
            LATE.append(self)

    def _export(self) -> None:
        if self.span is not None:
            try:
                export_children(self, open_span(self))
            except Exception as error:
                guard.failed("exporting the spans of a request", error)
        try:
            if self.held:
                self.export_calls()
            self.recorder.exporter.request(self)
            if self.failure is not None:
                reason = self.reason
                if reason is not None and not exceptions.is_among(reason, self.told):
                    self.recorder.exporter.exception(self, reason)
        except Exception as error:
            guard.failed("exporting a request", error)
        # Contexts that the application copied may live on, and with them this object: not what it refers to.
        self.environ = _NOTHING
        # A span has had its tracer by now, and attributes are a span's.
        if self.tracer is not None or self.inner is not None:
            self.inner = self.span = self.tracer = self.attributes = self.innermost = None


class Unsampled(Recording):
    """A request of a trace that is not kept: its trace context lives, but of it and its spans no item is made."""

    live = False
    sampled = False

    # What ends a request that is kept ends this one.
    finish = finish_later = Recording.close

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


def export_late() -> None:
    """Export what ended in finalizers."""
    while LATE:
        LATE.popleft()._export()


# Requests that ended in a finalizer. A forked child leaves them to its parent.
LATE: deque[Recording] = deque()
on_new_process.append(LATE.clear)


def _forget_held() -> None:
    recording = request_here()
    if recording is not None and recording.sampled:
        # The parent's. What calls there are from now on may have no end of a request to wait for.
        recording.held, recording.holds = [], False


on_new_process.append(_forget_held)


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
        hidden_hosts: Iterable[str] = (),
    ) -> None:
        self.exporter = exporter
        # Notes the route of a request that still runs; set by the framework.
        self.locate: Callable[[Any], object] | None = None
        # What outgoing calls are not recorded for.
        self.hidden_hosts = frozenset(host.lower() for host in hidden_hosts)
        self.blacklist = blacklist
        # Where only these can begin a path that is hidden; None where every request has to be looked at.
        self.prefixes = () if blacklist is None else blacklist.prefixes
        # What then decides, without all that `Blacklist.hides` looks at.
        self.hides_path: Any = None if blacklist is None else blacklist.path
        self.rate = rate
        self.sampler = sampler
        # Everything is kept: nothing needs to be decided.
        self.keeps_all = sampler is None and rate >= 100
        self.extract = extract

    def start(self, environ: Environ) -> Any:
        """Decide on a request from its WSGI environ alone; return a Recording, or Passing for a blacklisted one."""
        path, script = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
        prefixes = self.prefixes
        if prefixes is not None and path and not script:
            if path.startswith(prefixes) and self.hides_path(path):
                return Passing()
        elif self.blacklist is not None and self.blacklist.hides(environ):
            return Passing()
        remote = self.extract(environ)
        trace_id, span_id = new_ids()
        if remote is not None:
            trace_id = remote[0]
        rate = 100.0 if self.keeps_all else self._decide(trace_id, remote)
        # Without an __init__, which would be one call more.
        recording = Unsampled() if rate is None else Recording()
        recording.recorder = self
        recording.environ = environ
        recording.trace_id = trace_id
        recording.span_id = span_id
        recording.remote = remote
        if rate is None:
            return recording
        recording.rate = rate
        recording.held = []
        recording.path = path
        if script:
            recording.script = script
        recording.started = time_ns()
        recording.clock = perf_counter_ns()
        return recording

    def _decide(self, trace_id: str, remote: Remote | None) -> float | None:
        """Return the rate that a trace is kept at, None for one that is not kept."""
        if self.sampler is not None:
            return self.sampler(trace_id, remote)
        return self.rate if score(trace_id) < self.rate else None


def leave(recording: Any, outer: Any = None) -> Any:
    """Put the context back as it was before `recording`, to `outer`; return what it left there, for `resume`.

    The value is set back, not reset by token: servers may leave a request in another context than they entered it in.
    """
    CURRENT.set(outer)
    return release(recording) if recording.touched else None
