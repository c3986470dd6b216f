"""Uvicorn: after a graceful shutdown it raises the signal once more, with its default action: no exit callback runs."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard, processes
from ..patching import wrap_method


def patch(module: Any) -> None:
    """Wrap `uvicorn.server.Server.shutdown`, the last that is called before the signal."""
    wrap_method(module, "Server.shutdown", _send_before_the_end)


def _send_before_the_end(original: Any) -> Any:
    @wraps(original)
    async def shutdown(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, *args, **kwargs)
        finally:
            # All connections are closed: nobody waits for this event loop any more.
            try:
                processes.drain_all()
            except Exception as error:
                guard.failed("sending telemetry at the end", error)

    return shutdown
