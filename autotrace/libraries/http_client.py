"""http.client, and with it urllib, urllib3 and requests: a call lasts from its request to the head of its answer."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard
from ..calls import begun
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http

# Where a connection keeps its call until the answer comes, and the one that a library above began for it, who ends it.
_KEPT = "_autotrace_call"
OUTER = "_autotrace_outer_call"


def patch(module: Any) -> None:
    """Wrap the methods of `http.client.HTTPConnection`; subclasses such as urllib3's call them."""
    wrap_method(module, "HTTPConnection.putrequest", _begin)
    wrap_method(module, "HTTPConnection.endheaders", _add_headers, module.HTTPConnection)
    wrap_method(module, "HTTPConnection.getresponse", _end)
    wrap_method(module, "HTTPConnection.close", _give_up)


def _begin(original: Any) -> Any:
    @wraps(original)
    def putrequest(self: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            result = original(self, method, url, *args, **kwargs)
        except BaseException as error:
            # Nothing was sent.
            hide_frame(error)
            raise
        if OUTER not in self.__dict__:
            call = begun(_begin_call, (self, method, url), {})
            if call is not None:
                self.__dict__[_KEPT] = call
        return result

    return putrequest


def _begin_call(connection: Any, method: str, url: str) -> Any:
    scheme = "https" if connection.default_port == 443 else "http"
    host, port = connection.host, connection.port
    if getattr(connection, "_tunnel_host", None):
        host, port = connection._tunnel_host, connection._tunnel_port
    return http.begin(method, scheme, host, port, url)


def _add_headers(original: Any, owner: Any) -> Any:
    @wraps(original)
    def endheaders(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Taken away: a tunnel that cannot be made closes the connection before it says why.
        kept = self.__dict__.pop(_KEPT, None)
        call = kept or self.__dict__.get(OUTER)
        if call is not None:
            try:
                _put_headers(self, call, owner)
            except Exception as error:
                guard.failed("passing the trace on", error)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if kept is not None:
                _fail_to_send(self, kept, error)
            hide_frame(error)
            raise
        if kept is not None:
            self.__dict__[_KEPT] = kept
        return result

    return endheaders


def _fail_to_send(connection: Any, call: Any, error: BaseException) -> None:
    if isinstance(error, BrokenPipeError):
        # A server may answer before it has read everything, and hang up: the answer is still to be had.
        call.code = type(error).__name__
        connection.__dict__[_KEPT] = call
    else:
        call.fail(error)


def _put_headers(connection: Any, call: Any, owner: Any) -> None:
    lines = connection._buffer
    written = b"\n".join(lines).lower()
    for name, value in http.headers(call, lambda name: f"\n{name}:".encode() in written):
        line = f"{name}: {value}"
        if line.isascii() and line.isprintable():
            # What `putheader` does with it, at half the cost.
            lines.append(line.encode())
        else:
            # Not as a subclass would: it may sign or count what the application sends.
            owner.putheader(connection, name, value)


def _end(original: Any) -> Any:
    @wraps(original)
    def getresponse(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Taken away first: an answer may be the last of its connection, which is closed at once.
        kept = self.__dict__.pop(_KEPT, None)
        try:
            response = original(self, *args, **kwargs)
        except BaseException as error:
            if kept is not None:
                kept.fail(error)
            hide_frame(error)
            raise
        call = kept or self.__dict__.get(OUTER)
        if call is not None:
            http.answered(call, response)
        return response

    return getresponse


def _give_up(original: Any) -> Any:
    @wraps(original)
    def close(self: Any) -> Any:
        call = self.__dict__.pop(_KEPT, None)
        if call is not None:
            # Nobody waits for the answer any more.
            call.fail(ConnectionAbortedError(), "" if call.code == "0" else call.code)
        return original(self)

    return close
