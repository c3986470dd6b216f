"""The server of the viewer: waitress, with few threads, bounded in all that a client could fill."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from contextlib import suppress
from typing import Any, Callable

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask

from .. import guard
from .application import SAFETY
from .ingestion import LARGEST_BODY

THREADS = 8
_CONNECTIONS = 500
# Seconds after which a connection that says nothing is closed, longer than the SDKs' senders trust one, and from one
# look for such to the next: those that only hold a place must not keep others out for long.
_SILENCE, _LOOK = 30, 5
# Bytes of a request's first line and headers: queries of the page for SQL stand there.
_LARGEST_HEAD = 64 << 10
# Ports that are tried where any will do, and each has to be free at two addresses.
_ATTEMPTS = 20
# Seconds that a thread keeps the interpreter while others wait. SQLite gives it away at each row, and has to wait
# as long to get it back: with Python's own 5 ms, pages and posts at the same time would be slow.
_SWITCH_INTERVAL = 0.001
# Seconds that the end waits for pages that are being made.
_GRACE = 1.0


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at `host`, port 0 being any free one; OSError when that cannot be.

    At loopback it is both addresses of localhost: some clients try only the first one that the name has.
    """
    if host not in ("127.0.0.1", "localhost"):
        return [_listening(host, port)]
    for attempt in range(_ATTEMPTS):
        first = _listening("127.0.0.1", port)
        try:
            return [first, _listening("::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                # There is no IPv6 here.
                return [first]
            first.close()
            if port or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """Serves an application at listening sockets."""

    def __init__(self, application: Callable[..., Any], sockets: list[socket.socket]) -> None:
        logger = logging.getLogger("waitress")
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.addHandler(_Report())
        self.port: int = sockets[0].getsockname()[1]
        self._stopping = False
        self._map: dict[int, Any] = {}
        self._server = create_server(
            application,
            self._map,
            sockets=sockets,
            threads=THREADS,
            ident=None,
            max_request_body_size=LARGEST_BODY + 1,
            max_request_header_size=_LARGEST_HEAD,
            connection_limit=_CONNECTIONS,
            channel_timeout=_SILENCE,
            cleanup_interval=_LOOK,
            recv_bytes=64 << 10,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        self._listeners = [each for each in self._map.values() if isinstance(each, TcpWSGIServer)]
        for each in self._listeners:
            each.channel_class = _Channel

    def run(self) -> None:
        """Serve until `stop`."""
        sys.setswitchinterval(_SWITCH_INTERVAL)
        while not self._stopping:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
        self._server.task_dispatcher.shutdown(timeout=_GRACE)
        wasyncore.close_all(self._map, ignore_all=True)

    def stop(self) -> None:
        """Have `run` return soon; any thread and any signal handler may call it."""
        self._stopping = True
        with suppress(OSError):
            self._listeners[0].pull_trigger()


class _Refusal(ErrorTask):  # type: ignore[misc]
    """What waitress itself answers to a request that is none, or too large."""

    def build_response_header(self) -> Any:
        self.response_headers += SAFETY
        return super().build_response_header()


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _Refusal


class _Report(logging.Handler):
    """Says in one line what waitress would write a traceback about."""

    def emit(self, record: logging.LogRecord) -> None:
        reason = record.exc_info[1] if record.exc_info else ""
        guard.warn(f"waitress {record.msg}", f"the server of the viewer: {record.getMessage()[:200]} {reason}")
