"""Requests to a sample application from within its own process, and what that process is like meanwhile.

`loop.py APPLICATION KIND COUNT EVERY [REST]` prints a line of JSON after each EVERY requests, and with REST, in
seconds, another one after such a pause. KIND is a key of KINDS.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import time
from typing import Any, Callable

# What is asked for in turn, with {n} for the number; "*" in front: the client goes after the first chunk.
KINDS = {
    "users": ["/users/{n}"],
    "mixed": [
        "/users/{n}", "/missing/{n}", "/boom", "/stream?chunks=3&pause=0", "*/stream?chunks=9&pause=0", "/handled",
        "/users/{n}?token=secret{n}", "*/users/{n}", "/span", "/redirect",
    ],
}  # fmt: skip


def ask(application: Callable[..., Any], target: str, leave: bool) -> str:
    """Send one request and read its answer, or only the first chunk; return the status."""
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_NAME": "shop.test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "shop.test", "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http", "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0), "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    statuses: list[str] = []
    body = application(environ, lambda status, headers, exc_info=None: statuses.append(status))
    try:
        for _ in body:
            if leave:
                break
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses[0]


def measure(number: int, started: float) -> dict[str, Any]:
    """Measure this process: bytes of memory, threads, file descriptors, seconds of time and of CPU, bytes of spool."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    sizes = []
    for folder in os.scandir(os.environ["AUTOTRACE_SPOOL_DIR"]):
        for entry in os.scandir(folder):
            # Other processes send what is here, or drop it.
            with contextlib.suppress(FileNotFoundError):
                sizes.append(entry.stat().st_size)
    return {
        "number": number,
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "seconds": time.monotonic() - started,
        "cpu": time.process_time(),
        "spool": sum(sizes),
    }


def main(application: str, kind: str, count: int, every: int, rest: float = 0.0) -> None:
    """Send `count` requests; measure after each `every` of them, and once more after a pause of `rest` seconds."""
    module, _, name = application.partition(":")
    app = getattr(importlib.import_module(module), name)
    logging.disable()
    targets = [(target.lstrip("*"), target.startswith("*")) for target in KINDS[kind]]
    started = time.monotonic()
    for number in range(count):
        target, leave = targets[number % len(targets)]
        # Pyramid leaves what a view raises to the server.
        with contextlib.suppress(ValueError):
            ask(app, target.replace("{n}", str(number)), leave)
        if (number + 1) % every == 0:
            print(json.dumps(measure(number + 1, started)), flush=True)  # noqa: T201
            if rest:
                time.sleep(rest)
                print(json.dumps(measure(number + 1, started)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5]), *map(float, sys.argv[5:]))
