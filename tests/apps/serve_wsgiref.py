"""Serve an application with the standard library: `python serve_wsgiref.py PORT MODULE:NAME`."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from wsgiref.simple_server import make_server


def main(port: str, target: str) -> None:
    """Serve until SIGTERM, then end the request at hand and leave as a program does that ends on its own."""
    module, _, name = target.partition(":")
    server = make_server("127.0.0.1", int(port), getattr(importlib.import_module(module), name))
    # Not by sys.exit: the server takes what is raised during a request for the application's.
    signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
