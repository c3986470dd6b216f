"""urllib3, and with it requests: each attempt is a call, also one whose connection could not be made."""

from __future__ import annotations

from functools import wraps
from time import perf_counter_ns, time_ns
from typing import Any

from ..exceptions import hide_frame
from ..patching import wrap_method
from . import http
from .http_client import DELETE, OUTER, SET


def patch(module: Any) -> None:
    """Wrap where a connection is made and used, and where a tunnel through a proxy is made in front of that."""
    wrap_method(module, "HTTPConnectionPool._make_request", _traced)
    wrap_method(module, "HTTPSConnectionPool._prepare_proxy", _tell_failures)


def _traced(original: Any) -> Any:
    @wraps(original)
    def _make_request(self: Any, conn: Any, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        call = http.begin(method, self.scheme, self.host, self.port, url)
        if call is None:
            return original(self, conn, method, url, *args, **kwargs)
        # For http.client, which writes its request and reads its answer; not in the context, in which a body may be
        # made of requests.
        if hasattr(type(conn), OUTER):
            SET(conn, OUTER, call)
        else:
            # A proxy of a connection, say.
            getattr(conn, "__dict__", {})[OUTER] = call
        try:
            response = original(self, conn, method, url, *args, **kwargs)
        except BaseException as error:
            call.fail(error)
            hide_frame(error)
            raise
        finally:
            try:
                DELETE(conn, OUTER)
            except (AttributeError, TypeError):
                getattr(conn, "__dict__", {}).pop(OUTER, None)
        if call.is_open:
            # It was not http.client that read the answer.
            http.answered(call, response)
        return response

    return _make_request


def _tell_failures(original: Any) -> Any:
    @wraps(original)
    def _prepare_proxy(self: Any, *args: Any, **kwargs: Any) -> Any:
        started, clock = time_ns(), perf_counter_ns()
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            # There is no request yet, of which only the caller knows.
            call = http.begin("CONNECT", self.scheme, self.host, self.port, "/")
            if call is not None:
                call.started, call.clock = started, clock
                call.fail(error)
            hide_frame(error)
            raise

    return _prepare_proxy
