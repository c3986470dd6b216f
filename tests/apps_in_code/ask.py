"""Ask a sample under many settings: `python ask.py flask [CASE ...]` prints one JSON line a case.

Each case runs in a process of its own, forked before the application exists: what it says on both outputs, what its
exporter wrote and what is in the store of this machine is the result.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from typing import Any, Callable

import cases
from traffic import REQUESTS


def main(framework: str, *names: str) -> None:
    """Run the named cases, by default all."""
    create_app = importlib.import_module(f"{framework}_in_code").create_app
    for name in names or cases.CASES:
        sys.stdout.write(json.dumps({"case": name, **ask_apart(create_app, name)}) + "\n")
        # Before the next fork: a child must not print it once more.
        sys.stdout.flush()


def ask_apart(create_app: Callable[[Any], Any], name: str) -> dict[str, Any]:
    """Ask the application of one case in a child process and return what that left."""
    folder = tempfile.mkdtemp()
    before = len(stored())
    paths = {key: os.path.join(folder, key) for key in ("answers", "stdout", "stderr", "spans")}
    child = os.fork()
    if child == 0:
        for number, key in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(paths[key], os.O_CREAT | os.O_WRONLY), number)
        os.environ["PROBE_FILE"] = paths["spans"]
        app = create_app(cases.CASES[name]())
        answers = [ask(app, path, headers) for path, headers in REQUESTS.items()]
        with open(paths["answers"], "w") as file:
            json.dump(answers, file)
        # An ordinary end: what an exporter still holds goes out now.
        sys.exit()
    code = os.waitpid(child, 0)[1]
    left = {key: read(path) for key, path in paths.items()}
    shutil.rmtree(folder)
    return {**left, "answers": json.loads(left["answers"] or "[]"), "code": code, "stored": stored()[before:]}


def ask(app: Any, path: str, headers: dict[str, str]) -> str:
    """Send one request to a WSGI application, as a server does; return status and body."""
    started: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }
    body = app(environ, lambda status, headers, exc_info=None: started.append(status))
    try:
        return started[0] + " " + b"".join(body).decode()
    finally:
        getattr(body, "close", str)()


def stored() -> list[tuple[str, str]]:
    """Return URL and operation id of the requests in the store so far."""
    path = os.environ["AUTOTRACE_LOCAL_STORE"]
    if not os.path.exists(path):
        return []
    # Not `connect`, which is traced here.
    with contextlib.closing(sqlite3.Connection(path)) as connection:
        return connection.execute("SELECT url, operation_Id FROM requests ORDER BY itemId").fetchall()


def read(path: str) -> str:
    """Return the text of a file, empty when there is none."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
