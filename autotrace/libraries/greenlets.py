"""What libraries of greenlets have in common: a greenlet that a request starts belongs to the request."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from .. import guard
from ..current import CURRENT
from ..opencensus import carry


def take_along(greenlet: Any) -> None:
    """Let a greenlet that has not begun belong to the request of this context, if any; never raises."""
    if CURRENT.get() is None:
        return
    try:
        carried = carry()
        if carried is not None:
            # The application may have chosen one.
            if greenlet.gr_context is None:
                greenlet.gr_context = Context()
            greenlet.gr_context.run(carried.enter)
    except Exception as error:
        guard.failed("taking a request into a greenlet", error)
