"""urllib3, and with it requests: each attempt is a call, also one whose connection could not be made."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard
from ..calls import CALL, begun
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http


def patch(module: Any) -> None:
    """Wrap `HTTPConnectionPool._make_request`, in which a connection is made, and used."""
    wrap_method(module, "HTTPConnectionPool._make_request", _traced)


def _traced(original: Any) -> Any:
    @wraps(original)
    def _make_request(*args: Any, **kwargs: Any) -> Any:
        call = begun(_describe, args, kwargs)
        if call is None:
            return original(*args, **kwargs)
        CALL.set(call)
        try:
            response = original(*args, **kwargs)
        except BaseException as error:
            call.fail(error)
            hide_frame(error)
            raise
        finally:
            CALL.set(None)
        try:
            http.answered(call, response.status)
        except Exception as error:
            guard.failed("reading an answer", error)
        return response

    return _make_request


def _describe(pool: Any, connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
    return http.begin(method, pool.scheme, pool.host, pool.port, url)
