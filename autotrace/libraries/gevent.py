"""gevent: a greenlet that a request spawns belongs to the request."""

from __future__ import annotations

from typing import Any

from . import greenlets


def patch(module: Any) -> None:
    """Have `gevent.greenlet.Greenlet`, which is written in C, call us for each one that is started, of pools too."""
    module.Greenlet.add_spawn_callback(greenlets.take_along)
