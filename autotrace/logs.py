"""Log records on their way into telemetry: which ones, under which operation, and when where no request is near."""

from __future__ import annotations

import atexit
import os
import time
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable

from . import exceptions, guard, processes
from .current import request_here
from .messages import Message, of_record
from .opencensus import enclosing_span, is_exporter

if TYPE_CHECKING:
    from .exporters import Exporter

# Packages that telemetry is sent with: what they say would be sent in turn.
_OURS = frozenset(("autotrace", "opencensus", "azure"))
# Lines outside of requests that wait until it is known that this process works: one that only forks others is to have
# no thread and no socket of ours.
_WAITING_MOST = 1000
# Seconds after which a process that still logs is taken for one that works.
_LONGEST_WAIT = 30.0

_waiting: deque[Message] = deque(maxlen=_WAITING_MOST)
# The process that they belong to: a forked child leaves them to its parent.
_process = 0
_exporter: Exporter | None = None
_TAKING: ContextVar[bool] = ContextVar("autotrace taking", default=False)
# Makes the exporter of a process that has no request.
_open: Callable[[], Any] | None = None


def wait_with(open_exporter: Callable[[], Exporter | None]) -> None:
    """Keep lines outside of requests until there is an exporter; `open_exporter` makes one where nothing else does."""
    global _open
    if _open is None:
        atexit.register(_send_at_end)
    _open = open_exporter


def use(exporter: Exporter) -> None:
    """Note that this process has an exporter, which takes the lines outside of requests from now on. Never raises."""
    global _exporter
    if _exporter is None:
        _exporter = exporter
        try:
            _send_waiting()
        except Exception as error:
            guard.failed("sending log lines", error)


def attributes() -> tuple[str, str, bool]:
    """Return the trace id, the span id and whether the trace is kept, of what runs in this context; zeros for none."""
    recording = request_here()
    if recording is None:
        return "0" * 32, "0" * 16, False
    span = enclosing_span(recording) if recording.sampled else None
    return recording.trace_id, recording.span_id if span is None else span.span_id, recording.sampled


def take(record: Any) -> None:
    """Send a log record, or keep it until it is known where to."""
    if str(record.name).partition(".")[0] in _OURS or is_exporter() or _TAKING.get():
        return
    # The text of a record may be made by code of the application, which may log.
    _TAKING.set(True)
    try:
        _take(record)
    finally:
        _TAKING.set(False)


def _take(record: Any) -> None:
    recording = request_here()
    if recording is None:
        _take_outside(of_record(record, None, _failure_of(record)))
    elif recording.sampled:
        span = enclosing_span(recording)
        failure = _failure_of(record)
        if failure is not None and not recording.tell(failure):
            failure = None
        parent_id = recording.span_id if span is None else span.span_id
        recording.recorder.exporter.message(recording, of_record(record, parent_id, failure))


def _failure_of(record: Any) -> exceptions.Failure | None:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) and len(record.exc_info) == 3 else None
    return exceptions.read(error) if isinstance(error, BaseException) else None


def _take_outside(message: Message) -> None:
    _begin_process()
    _waiting.append(message)
    if len(_waiting) == _WAITING_MOST:
        guard.warn("lines", f"more than {_WAITING_MOST} log lines before the first request: the oldest are not sent")
    oldest = next(iter(_waiting), message)
    if _exporter is not None or time.time() - oldest.moment / 1e9 > _LONGEST_WAIT:
        _send_waiting()


def _begin_process() -> None:
    global _process
    if _process != os.getpid():
        _waiting.clear()
        _process = os.getpid()


def _send_waiting() -> None:
    global _exporter
    _begin_process()
    if _exporter is None and _open is not None:
        _exporter = _open()
    # Another thread may be at the same.
    with suppress(IndexError):
        while _exporter is not None:
            _exporter.message(None, _waiting.popleft())


def _send_at_end() -> None:
    try:
        _begin_process()
        if _waiting:
            _send_waiting()
            processes.flush_all()
    except Exception as error:
        guard.failed("sending log lines at the end", error)
