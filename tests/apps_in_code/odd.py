"""How the odd samples are asked, in their own process, and how they say what they saw: one JSON object on stdout."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, Callable, Mapping


class Environ(dict):  # type: ignore[type-arg]
    """A WSGI environ that a weak reference can point to."""


def environ(path: str, kind: Callable[..., Any] = Environ) -> Any:
    """Build the WSGI environ of a GET request as a server does."""
    return kind(
        {
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
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
    )


def ask(app: Any, where: Any) -> list[str]:
    """Send a request, to a path or with an environ, as a server does; return the statuses and the body."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        statuses.append(status)
        return lambda chunk: None

    body = app(environ(where) if isinstance(where, str) else where, start_response)
    try:
        text = b"".join(body).decode()
    finally:
        getattr(body, "close", bool)()
    return [*statuses, text]


def say(cases: Mapping[str, Callable[[], Any]]) -> None:
    """Run the cases in their order and print what each returns; what one raises is printed in its place."""
    said = {}
    for name, case in cases.items():
        try:
            said[name] = case()
        except Exception as error:
            said[name] = repr(error)
    sys.stdout.write(json.dumps(said))
