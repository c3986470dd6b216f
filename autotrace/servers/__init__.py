"""Servers that end a process without telling Python. A server is one file and one line of TARGETS."""

from __future__ import annotations

# Module → the function that patches it, in a process that has imported a web framework too.
TARGETS = (("uvicorn.server", "autotrace.servers.uvicorn:patch"),)
