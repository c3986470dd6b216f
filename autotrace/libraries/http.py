"""What all HTTP clients have in common: how a request is told, and the answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Callable, Iterable
from urllib.parse import urlsplit

from .. import calls, guard, urls

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
_DEFAULT_PORTS = {"http": 80, "https": 443}


def begin(method: str, scheme: str, host: str, port: int | None, path: str) -> calls.Call | None:
    """Begin an HTTP call; `path` is the target of the request, with its query, or a whole URL for a proxy.

    Never raises; None where nothing is to be recorded, as `calls.begin` says.
    """
    try:
        if not path.startswith("/"):
            scheme, host, port, path = _absolute(path, scheme, host, port)
        port = port or _DEFAULT_PORTS.get(scheme)
        call = calls.begin("Http", host, port, carries=True)
        if call is not None:
            call.target, site = _site(scheme, host, port)
            shown = path
            if "?" in path or "#" in path:
                path, shown = urls.without_values(path)
            call.name = f"{method.upper()} {path}"
            call.data = site + shown
        return call
    except Exception as error:
        guard.failed("describing an outgoing call", error)
        return None


@lru_cache(maxsize=100)
def _site(scheme: str, host: str, port: int | None) -> tuple[str, str]:
    """Return how a service is called, and the part of its URLs in front of the path."""
    target = calls.target_of(host, port, _DEFAULT_PORTS.get(scheme))
    return target, f"{scheme}://{target}"


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


def headers(call: calls.Call, says: Callable[[str], bool]) -> Iterable[tuple[str, str]]:
    """Return the headers that make a request a part of `call`; `says` tells whether it has one, named in lower case.

    One that says itself of which trace it is gets none: half of a context belongs to no trace.
    """
    added = call.headers()
    if not added or says(added[0][0].lower()):
        return ()
    return added if len(added) == 1 else [(name, value) for name, value in added if not says(name.lower())]
