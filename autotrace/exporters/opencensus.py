"""Any OpenCensus exporter: requests as SpanData, exported from a thread of the process that built it."""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from opencensus.trace import execution_context, span_context, span_data, utils

from .. import guard
from ..expressions import Expression
from ..identity import identify
from ..items import Lines
from ..processes import EXIT_DEADLINE, before_the_end, flush_all
from ..spans import call_span, span_of
from ..times import timestamp
from . import open_default

if TYPE_CHECKING:
    from ..calls import Call
    from ..exceptions import Failure
    from ..messages import Message
    from ..recorder import Recording
    from ..settings import Settings

CAPACITY = 10_000


class OpenCensusExporter:
    """Feeds an OpenCensus exporter. `chosen` is the exporter, or the expression that makes it."""

    def __init__(self, settings: Settings, application: str, chosen: Any) -> None:
        if not isinstance(chosen, Expression) and not callable(getattr(chosen, "export", None)):
            raise TypeError(f"{type(chosen).__name__} has no export method")
        self._settings = settings
        self._application = application
        self._chosen = chosen
        self._feeders: dict[int, Feeder] = {}

    def request(self, recording: Recording) -> None:
        """Queue the request as a span of kind SERVER."""
        feeder = self._feeder()
        line = feeder.lines.request(recording)
        feeder.put(Entry(recording, [_server_span(recording, json.loads(line))], line))

    def exception(self, recording: Recording, failure: Failure) -> None:
        """Queue an exception, for an exporter of ours: OpenCensus tells it in attributes of the request's span."""
        feeder = self._feeder()
        feeder.put(Entry(recording, [], feeder.lines.exception(recording, failure)))

    def calls(self, recording: Recording, ended: list[Call]) -> None:
        """Queue outgoing calls as spans of kind CLIENT."""
        self._feeder().put(Entry(recording, [call_span(recording, call) for call in ended], None))

    def message(self, recording: Recording | None, message: Message) -> None:
        """Queue a log line, for an exporter of ours: those of OpenCensus's traces take none."""
        if self._settings.logs is not None:
            guard.warn("log lines", "an OpenCensus exporter of traces takes no log lines: AUTOTRACE_LOGS sends none")
        feeder = self._feeder()
        feeder.put(Entry(recording, [], feeder.lines.message(recording, message)))

    def spans(self, recording: Recording, span_datas: list[Any]) -> None:
        """Queue the spans as they are."""
        self._feeder().put(Entry(recording, span_datas, None))

    def _feeder(self) -> Feeder:
        """Return this process's feeder; threads that come first together get the same one."""
        pid = os.getpid()
        found = self._feeders.get(pid)
        if found is None:
            settings = self._settings
            connection = settings.connection_string
            key = connection.instrumentation_key if connection is not None else "none"
            identity = identify(settings, key, self._application, os.environ)
            lines = Lines(identity, settings.url_query, settings.failed_statuses, settings.trusted_proxies)
            made = Feeder(self._chosen, lines, self._open_default)
            found = self._feeders.setdefault(pid, made)
            if found is made:
                made.start()
        return found

    def _open_default(self, error: Exception) -> Any:
        """Return the exporter that takes the place of one that cannot be used for the reason `error`."""
        return open_default(self._chosen, error, self._settings, self._application)


class Entry(NamedTuple):
    """Spans to export: those of the application inside `recording`, or its own one and its wire line.

    An exception is a wire line alone.
    """

    recording: Recording | None
    span_datas: list[Any]
    line: bytes | None


class Feeder:
    """A queue of spans and the thread that exports them, both of one process."""

    def __init__(self, chosen: Any, lines: Lines, open_default: Callable[[Exception], Any]) -> None:
        self.lines = lines
        self._chosen = chosen
        self._open_default = open_default
        self._pid = os.getpid()
        self._queue: deque[Entry] = deque()
        self._wake = threading.Event()
        self._stopping = self._replaced = False
        # A thread builds the exporter: the stock one takes most of a second, which no request should wait for.
        self._thread = threading.Thread(target=self._run, name="autotrace-exporter", daemon=True)

    def start(self) -> None:
        """Start the thread, and see to it that a process that ends before the exporter exists waits for it."""
        atexit.register(self._end)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Queue spans; those that find the queue full are dropped."""
        if len(self._queue) >= CAPACITY:
            guard.warn("queue full", f"the exporter does not keep up: requests beyond {CAPACITY} are dropped")
            return
        self._queue.append(entry)
        self._wake.set()

    def finish(self) -> None:
        """Export what is queued, within the time that the end of a process may take."""
        if self._pid == os.getpid() and not self._stopping:
            self._stopping = True
            self._wake.set()
            self._thread.join(EXIT_DEADLINE)

    def _end(self) -> None:
        self.finish()
        if self._replaced:
            # It may have come too late to be asked by itself.
            flush_all()

    def _run(self) -> None:
        execution_context.set_is_exporter(True)
        try:
            exporter = self._build()
        except Exception as error:
            # What takes its place sends for the last time at the end of the process: not before it has everything.
            self._replaced = True
            before_the_end(self.finish)
            self._feed(_as_recorded(self._open_default(error)))
            return
        is_late = self._stopping
        # Once more, after the exporter registered its own: callbacks run last in, first out.
        atexit.register(self.finish)
        self._feed(lambda entry: entry.span_datas and exporter.export(entry.span_datas))
        if is_late:
            _flush(exporter)

    def _feed(self, export: Callable[[Entry], object]) -> None:
        """Export what is queued until the process ends."""
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                try:
                    export(self._queue.popleft())
                except Exception as error:
                    guard.warn("export", f"the OpenCensus exporter failed ({type(error).__name__}), spans are lost")
            if self._stopping:
                return

    def _build(self) -> Any:
        if not isinstance(self._chosen, Expression):
            return self._chosen
        # Unless asked to, the stock exporter does not report on itself to Microsoft: that costs it up to ten seconds
        # where the network is closed.
        os.environ.setdefault("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
        exporter = self._chosen.load()
        if not callable(getattr(exporter, "export", None)):
            raise TypeError(f"{type(exporter).__name__} has no export method")
        return exporter


def _as_recorded(exporter: Any) -> Callable[[Entry], object]:
    """Return what gives an exporter of our own the requests and spans as they were recorded."""

    def export(entry: Entry) -> None:
        if entry.line is None:
            exporter.spans(entry.recording, entry.span_datas)
        else:
            exporter.line(entry.line)

    return export


def _flush(exporter: Any) -> None:
    """Have an exporter send what it queued that was made too late for its own exit callbacks to run."""
    transport = getattr(exporter, "transport", None)
    for owner, method, arguments in ((exporter, "_stop", (EXIT_DEADLINE,)), (transport, "flush", ())):
        flush = getattr(owner, method, None)
        if callable(flush):
            flush(*arguments)


def _server_span(recording: Recording, item: Any) -> Any:
    """Return a request item as the SpanData that OpenCensus's own middleware would have made."""
    data = item["data"]["baseData"]
    method, _, route = data["name"].partition(" ")
    code = data["responseCode"]
    environ = recording.environ
    attributes = {
        "http.method": method,
        "http.route": route,
        "http.path": environ.get("PATH_INFO", ""),
        "http.url": data["url"],
        "http.host": environ.get("HTTP_HOST", ""),
        "http.user_agent": item["tags"].get("ai.user.userAgent", ""),
    }
    status = None
    if code.isdigit():
        attributes["http.status_code"] = int(code)
        status = utils.status_from_http_code(int(code))
    reason = recording.reason
    if reason is not None:
        attributes.update({"error.name": reason.chain[0].type, "error.message": reason.chain[0].message})
    attributes.update(recording.attributes or {})
    span = span_of(recording)
    children = span.__dict__.get("_child_spans") or ()
    return span_data.SpanData(
        name=data["name"],
        context=span_context.SpanContext(trace_id=recording.trace_id, span_id=recording.span_id),
        span_id=recording.span_id,
        parent_span_id=recording.parent_id,
        attributes=attributes,
        start_time=timestamp(recording.started),
        end_time=timestamp(recording.started + recording.duration),
        child_span_count=len(children),
        stack_trace=None,
        annotations=span.annotations,
        message_events=span.message_events,
        links=span.links,
        status=status or span.status,
        same_process_as_parent_span=recording.parent_id is None,
        span_kind=1,
    )


def open_exporter(settings: Settings, application: str, chosen: Any) -> OpenCensusExporter:
    """Return the adapter for an exporter object or expression; TypeError for an object that is no exporter."""
    return OpenCensusExporter(settings, application, chosen)
