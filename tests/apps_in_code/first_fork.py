"""A process that forks while a thread of it answers the first request: `python first_fork.py` prints how often."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - Flask imports it with the first request
import os
import signal
import sys
import threading
from typing import Any

from flask import Flask
from werkzeug.test import create_environ

app = Flask("shop")
app.add_url_rule("/<who>", "page", lambda who: who)
environ = create_environ("/thread")


def answer(environ: dict[str, Any]) -> None:
    """Answer a request without what a test client imports."""
    body = app(environ, lambda status, headers, exc_info=None: None)
    assert b"".join(body)
    body.close()


def main() -> None:
    """Fork until the thread has its answer; see that every child gets one and ends."""
    thread = threading.Thread(target=answer, args=(environ,))
    thread.start()
    children = []
    while thread.is_alive() and len(children) < 50:
        child = os.fork()
        if not child:
            signal.alarm(20)
            answer({**environ, "PATH_INFO": "/child"})
            os._exit(0)
        children.append(child)
    thread.join()
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    sys.stdout.write(f"{len(children)}\n")


main()
