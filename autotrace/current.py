"""The request that runs in this context: a Recording, a Passing, or None outside of requests."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

CURRENT: ContextVar[Any] = ContextVar("autotrace", default=None)
# Whether this context is one that sends telemetry: what it calls and logs is not to be sent in turn.
SENDING: ContextVar[bool] = ContextVar("autotrace sending", default=False)


def is_current(environ: Any) -> bool:
    """Tell whether a WSGI environ is that of the current request, or a copy that middleware made of it."""
    current = CURRENT.get()
    if current is None:
        return False
    return current.environ is environ or environ.get("wsgi.input", 0) is current.environ.get("wsgi.input", 1)
