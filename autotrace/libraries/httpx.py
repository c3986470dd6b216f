"""httpx by the pools of httpcore below it: a transport of the application's own, as of a test, calls no service."""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from .. import guard
from ..calls import begun
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http


def patch(module: Any) -> None:
    """Wrap how the pools of `httpcore` send a request, which they do for each hop of a redirect."""
    wrap_method(module, "ConnectionPool.handle_request", _traced)
    wrap_method(module, "AsyncConnectionPool.handle_async_request", _traced_async)


def _traced(original: Any) -> Any:
    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        call = begun(_describe, (request,), {})
        if call is None:
            return original(self, request)
        try:
            response = original(self, _with_headers(request, call))
        except BaseException as error:
            call.fail(error)
            hide_frame(error)
            raise
        http.answered(call, response)
        return response

    return handle_request


def _traced_async(original: Any) -> Any:
    @wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        call = begun(_describe, (request,), {})
        if call is None:
            return await original(self, request)
        try:
            response = await original(self, _with_headers(request, call))
        except BaseException as error:
            call.fail(error)
            hide_frame(error)
            raise
        http.answered(call, response)
        return response

    return handle_async_request


def _describe(request: Any) -> Any:
    url = request.url
    scheme, host, path, method = (part.decode("latin-1") for part in (url.scheme, url.host, url.target, request.method))
    return http.begin(method, scheme, host, url.port, path)


def _with_headers(request: Any, call: Any) -> Any:
    """Return a request that passes the trace on; the one of the application stays as it is."""
    try:
        said = {name.decode("latin-1").lower() for name, _ in request.headers}
        added = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in http.headers(call, said.__contains__)
        ]
        if added:
            request = copy.copy(request)
            request.headers = [*request.headers, *added]
    except Exception as error:
        guard.failed("passing the trace on", error)
    return request
