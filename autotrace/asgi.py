"""The ASGI protocol, HTTP scopes: a request from the application's call to its last body message."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import Any

from . import guard
from .current import CURRENT
from .exceptions import hide_frame
from .recorder import Recording, leave
from .recorders import Recorders

# The headers that are read of a request, as WSGI names them; several of a name are joined by commas.
_HEADERS = {
    name.encode(): "HTTP_" + name.upper().replace("-", "_")
    for name in (
        "host", "origin", "referer", "traceparent", "tracestate", "user-agent", "x-forwarded-for",
        "x-forwarded-host", "x-forwarded-proto", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags",
        "x-cloud-trace-context", "synthetictest-runid", "synthetictest-location",
    )
}  # fmt: skip


def traced(original: Any, recorders: Recorders) -> Any:
    """Return the ASGI method `original` with its HTTP requests recorded; `recorders` has those of its objects."""

    @wraps(original)
    async def call(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        current = CURRENT.get()
        recording = None
        # Answered: a server that pipelines has begun the next request of the connection, in a copy of this context.
        if scope["type"] == "http" and (current is None or not current.open or current.answered):
            try:
                recorder = recorders.get(id(self)) or recorders.build(self)
                recording = recorder.start(environ_of(scope))
            except Exception as error:
                guard.failed("starting a request", error)
        if recording is None:
            return await original(self, scope, receive, send)
        CURRENT.set(recording)
        try:
            if recording.sampled:
                return await _call_recorded(recording, original, self, scope, receive, send)
            return await _call_unrecorded(recording, original, self, scope, receive, send)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            # A finished request is left over where a server's callback inherited the context of an earlier one.
            leave(recording, current if current is not None and current.open else None)
            recording.close()

    return call


async def _call_unrecorded(recording: Any, original: Any, app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_and_note(message: Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            recording.answered = True
        await send(message)

    return await original(app, scope, receive, send_and_note)


async def _call_recorded(recording: Recording, original: Any, app: Any, scope: Any, receive: Any, send: Any) -> Any:
    async def send_and_note(message: Any) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            status = message.get("status")
            # An HTTPStatus is a number whose text is its name.
            recording.status = str(int(status)) if isinstance(status, int) else str(status)
        elif kind == "http.response.body" and not message.get("more_body", False):
            recording.answered = True
        await send(message)
        if kind == "http.response.body":
            recording.sent = True
            if recording.answered:
                recording.finish()

    try:
        return await original(app, scope, receive, send_and_note)
    except BaseException as error:
        recording.failed = True
        is_gone = isinstance(error, asyncio.CancelledError)
        if recording.status is None:
            recording.status = "499" if is_gone else "500"
        if is_gone:
            # Whatever was answered before has nothing to do with it.
            recording.failure = None
        else:
            recording.note(error)
        hide_frame(error)
        raise
    finally:
        if recording.status is None:
            # The application returned without an answer: it saw the client go.
            recording.status = "499"
        recording.finish()


def environ_of(scope: Any) -> dict[str, Any]:
    """Return what a recorder reads of an HTTP scope, spelled as a WSGI environ (PEP 3333)."""
    root = scope.get("root_path") or ""
    path = scope["path"]
    if root and path.startswith(root):
        path = path[len(root) :]
    query = scope.get("query_string") or b""
    client, server = scope.get("client"), scope.get("server")
    environ: dict[str, Any] = {
        "autotrace.scope": scope,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _wsgi_text(root),
        "PATH_INFO": _wsgi_text(path),
        "QUERY_STRING": query.decode("latin-1"),
        "REMOTE_ADDR": client[0] if client else "",
        "SERVER_NAME": server[0] if server else "",
        "SERVER_PORT": str(server[1]) if server else "",
        "wsgi.url_scheme": scope.get("scheme", "http"),
    }
    for name, value in scope["headers"]:
        variable = _HEADERS.get(name)
        if variable is not None:
            text = value.decode("latin-1")
            environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


def _wsgi_text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
