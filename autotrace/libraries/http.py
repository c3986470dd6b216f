"""What all HTTP clients have in common: how a request is told, and the answer."""

from __future__ import annotations

import re
from typing import Any, Container
from urllib.parse import urlsplit

from .. import calls, guard, urls

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
_DEFAULT_PORTS = {"http": 80, "https": 443}


def begin(method: str, scheme: str, host: str, port: int | None, path: str) -> calls.Call | None:
    """Begin an HTTP call; `path` is the target of the request, with its query, or a whole URL for a proxy."""
    if not path.startswith("/"):
        scheme, host, port, path = _absolute(path, scheme, host, port)
    port = port or _DEFAULT_PORTS.get(scheme)
    call = calls.begin("Http", host, port, carries=True)
    if call is not None:
        call.target = calls.target_of(host, port, _DEFAULT_PORTS.get(scheme))
        path, shown = urls.without_values(path)
        call.name = f"{method.upper()} {path}"
        call.data = f"{scheme}://{call.target}{shown}"
    return call


def _absolute(url: str, scheme: str, host: str, port: int | None) -> tuple[str, str, int | None, str]:
    """Return the parts of a whole URL; of another text what else is known, and that text as the path."""
    if _SCHEME(url):
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname or host, parts.port
            url = parts.path + (f"?{parts.query}" if parts.query else "")
        except ValueError:
            # Of a URL that nobody understands nothing is told.
            url = ""
    return scheme, host, port, url if url.startswith("/") else f"/{url}"


def answered(call: calls.Call, response: Any) -> None:
    """End an HTTP call with its answer, whose `status` is a number; never raises."""
    try:
        call.code = str(int(response.status))
        call.success = call.code < "400"
        call.finish()
    except Exception as error:
        guard.failed("reading an answer", error)


def headers(call: calls.Call, said: Container[str]) -> list[tuple[str, str]]:
    """Return the headers that make a request a part of `call`; `said` are those that it has, in lower case.

    One that says itself of which trace it is gets none: half of a context belongs to no trace.
    """
    added = list(call.headers())
    if added and added[0][0].lower() in said:
        return []
    return [(name, value) for name, value in added if name.lower() not in said]
