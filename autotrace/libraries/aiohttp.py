"""aiohttp's client: each hop is a call, from the search for a connection to the head of the answer.

The methods are those that a request passes through for each hop and each attempt. The headers are added where they are
written, so that those of the application's request, which its answer shows, stay as they are.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from functools import wraps
from typing import Any

from .. import guard
from ..calls import begun
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http

# Where a request, and then its answer, keep their call.
_KEPT = "_autotrace_call"
# The call whose headers are written next in this context.
_SENDING: ContextVar[Any] = ContextVar("autotrace aiohttp", default=None)


def patch(module: Any) -> None:
    """Wrap what `aiohttp.client` is made of; `connect` last, with which a call begins."""
    wrap_method(sys.modules["aiohttp.http_writer"], "StreamWriter.write_headers", _write_headers)
    wrap_method(module, "ClientResponse.start", _end)
    wrap_method(module, "ClientRequest.send", _send)
    wrap_method(sys.modules["aiohttp.connector"], "BaseConnector.connect", _begin)


def _begin(original: Any) -> Any:
    @wraps(original)
    async def connect(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        call = begun(_describe, (req,), {})
        if call is None:
            return await original(self, req, *args, **kwargs)
        try:
            connection = await original(self, req, *args, **kwargs)
        except BaseException as error:
            _fail(call, req, error)
            hide_frame(error)
            raise
        req.__dict__[_KEPT] = call
        return connection

    return connect


def _describe(request: Any) -> Any:
    url = request.url
    return http.begin(request.method, url.scheme, url.raw_host or "", url.port, url.raw_path_qs)


def _send(original: Any) -> Any:
    @wraps(original)
    async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = self.__dict__.pop(_KEPT, None)
        if call is None:
            return await original(self, *args, **kwargs)
        _SENDING.set(call)
        try:
            response = await original(self, *args, **kwargs)
        except BaseException as error:
            _fail(call, self, error)
            hide_frame(error)
            raise
        finally:
            _SENDING.set(None)
        response.__dict__[_KEPT] = call
        return response

    return send


def _write_headers(original: Any) -> Any:
    @wraps(original)
    async def write_headers(self: Any, status_line: Any, headers: Any, *args: Any, **kwargs: Any) -> Any:
        call = _SENDING.get()
        if call is not None:
            # What a body is made of may be requests again.
            _SENDING.set(None)
            try:
                headers = _with_context(headers, call)
            except Exception as error:
                guard.failed("passing the trace on", error)
        return await original(self, status_line, headers, *args, **kwargs)

    return write_headers


def _with_context(headers: Any, call: Any) -> Any:
    added = http.headers(call, {name.lower() for name in headers}.__contains__)
    if added:
        headers = headers.copy()
        for name, value in added:
            headers.add(name, value)
    return headers


def _end(original: Any) -> Any:
    @wraps(original)
    async def start(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = self.__dict__.pop(_KEPT, None)
        if call is None:
            return await original(self, *args, **kwargs)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            _fail(call, self, error)
            hide_frame(error)
            raise
        http.answered(call, self)
        return result

    return start


def _fail(call: Any, owner: Any, error: BaseException) -> None:
    # A timeout of the whole request cancels the task, and becomes an error of its own further out.
    is_late = getattr(getattr(owner, "_timer", None), "_cancelled", False) is True
    call.fail(error, "TimeoutError" if is_late else "")
