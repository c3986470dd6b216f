"""Servers whose processes end in a way of their own. A server is one file and one line of TARGETS."""

from __future__ import annotations

# Module → the function that patches it, in a process that has imported a web framework too.
TARGETS = (
    ("uvicorn.server", "autotrace.servers.uvicorn:patch"),
    ("gevent.monkey", "autotrace.servers.gevent:patch"),
)
