"""The request that runs in this context: a Recording, a Passing, or None outside of requests."""

from __future__ import annotations

from contextvars import ContextVar
from time import time_ns
from typing import Any

# Nanoseconds that a thread or task may work on for a request that was answered. One that goes on for ever, such as that
# of a queue which the request happened to start, must not add to it for ever.
AFTERWARDS = 300 * 10**9

CURRENT: ContextVar[Any] = ContextVar("autotrace", default=None)
# Whether this context is one that sends telemetry: what it calls and logs is not to be sent in turn.
SENDING: ContextVar[bool] = ContextVar("autotrace sending", default=False)


def request_here() -> Any:
    """Return the recording of the request that this context belongs to, with a request inside of it counted as it.

    None outside of requests, in one of which nothing is recorded, and where it was answered too long ago.
    """
    current = CURRENT.get()
    if current is None:
        return None
    recording = current.within or current
    if recording.recorder is None:
        return None
    if recording.sampled and not recording.open and time_ns() - recording.started > recording.duration + AFTERWARDS:
        return None
    return recording


def is_current(environ: Any) -> bool:
    """Tell whether a WSGI environ is that of the current request, or a copy that middleware made of it."""
    current = CURRENT.get()
    if current is None:
        return False
    return current.environ is environ or environ.get("wsgi.input", 0) is current.environ.get("wsgi.input", 1)
