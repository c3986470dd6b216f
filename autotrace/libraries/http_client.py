"""http.client, and with it urllib, urllib3 and requests: a call lasts from its request to the head of its answer."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard
from ..calls import begun
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http

# What `setattr` and `del` do where no class has its own, which the application would notice, or which may refuse.
SET, DELETE = object.__setattr__, object.__delattr__
OUTER = "_autotrace_outer_call"


def patch(module: Any) -> None:
    """Wrap the methods of `http.client.HTTPConnection`; subclasses such as urllib3's call them.

    As few as will do, and with their own signatures, which no Python from 3.8 on changed: each costs every call.
    """
    # A connection keeps its call until the answer comes, and the one that a library above began for it, who ends it.
    # As plain attributes: the first look into a `__dict__` makes all attributes of an object slower for ever.
    module.HTTPConnection._autotrace_call = module.HTTPConnection._autotrace_outer_call = None
    wrap_method(module, "HTTPConnection.endheaders", _begin, module.HTTPConnection)
    wrap_method(module, "HTTPConnection.getresponse", _end)
    wrap_method(module, "HTTPConnection.close", _give_up)


def _begin(original: Any, owner: Any) -> Any:
    @wraps(original)
    def endheaders(self: Any, message_body: Any = None, *, encode_chunked: Any = False) -> Any:
        outer = self._autotrace_outer_call
        call = begun(_describe, (self,), {}) if outer is None else outer
        if call is not None:
            try:
                _put_headers(self, call, owner)
            except Exception as error:
                guard.failed("passing the trace on", error)
        try:
            result = original(self, message_body, encode_chunked=encode_chunked)
        except BaseException as error:
            if outer is None and call is not None:
                _fail_to_send(self, call, error)
            hide_frame(error)
            raise
        if outer is None and call is not None:
            # Only now: a tunnel that cannot be made closes the connection before it says why.
            SET(self, "_autotrace_call", call)
        return result

    return endheaders


def _describe(connection: Any) -> Any:
    lines = getattr(connection, "_buffer", None)
    if not lines:
        # There is no request whose headers could end.
        return None
    # Not what the connection says of it: a request that was given up may be in front of this one.
    method, _, rest = lines[0].decode("utf-8", "replace").partition(" ")
    scheme = "https" if connection.default_port == 443 else "http"
    host, port = connection.host, connection.port
    if getattr(connection, "_tunnel_host", None):
        host, port = connection._tunnel_host, connection._tunnel_port
    # Whatever follows the version, were it in one piece with the headers, is nobody's to tell.
    return http.begin(method, scheme, host, port, rest.partition(" HTTP/")[0])


def _fail_to_send(connection: Any, call: Any, error: BaseException) -> None:
    if isinstance(error, BrokenPipeError):
        # A server may answer before it has read everything, and hang up: the answer is still to be had.
        call.code = type(error).__name__
        SET(connection, "_autotrace_call", call)
    else:
        call.fail(error)


def _put_headers(connection: Any, call: Any, owner: Any) -> None:
    lines = connection._buffer
    if not lines:
        # No request was begun, and the header would be the first line of the next one.
        return
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
    def getresponse(self: Any) -> Any:
        kept = self._autotrace_call
        if kept is not None:
            # Before the answer, which may be the last of its connection: that is closed at once.
            _forget(self)
        try:
            response = original(self)
        except BaseException as error:
            if kept is not None:
                kept.fail(error)
            hide_frame(error)
            raise
        call = kept or self._autotrace_outer_call
        if call is not None:
            http.answered(call, response)
        return response

    return getresponse


def _give_up(original: Any) -> Any:
    @wraps(original)
    def close(self: Any) -> Any:
        call = self._autotrace_call
        if call is not None:
            _forget(self)
            # Nobody waits for the answer any more.
            call.fail(ConnectionAbortedError(), "" if call.code == "0" else call.code)
        return original(self)

    return close


def _forget(connection: Any) -> None:
    try:  # noqa: SIM105 - `suppress` costs three times as much
        DELETE(connection, "_autotrace_call")
    except AttributeError:
        # Another thread has closed the connection meanwhile.
        pass
