"""Posts batches to an Application Insights ingestion endpoint and reads its answers."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import time
import zlib
from typing import Any, Callable
from urllib.parse import urlsplit

from . import __version__, guard
from .sender import Answer

_PATH = "/v2.1/track"
# Hosts of the service end in one of these; a redirect elsewhere is not followed.
_SERVICE_SUFFIXES = (
    ".visualstudio.com",
    ".applicationinsights.azure.com",
    ".applicationinsights.azure.us",
    ".applicationinsights.azure.cn",
    ".monitor.azure.com",
    ".monitor.azure.us",
    ".monitor.azure.cn",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# 407 and other redirects are a proxy's or a captive portal's, not the service's word on the items.
_TRANSIENT = frozenset((204, 300, 301, 302, 303, 305, 306, 401, 403, 407, 408, 429, 500, 502, 503, 504))
# The same of single items; a list, for what an endpoint sends may be anything.
_RETRIED = [408, 429, 500, 502, 503, 504]
_REDIRECTS = frozenset((307, 308))
_MOST_REDIRECTS = 10
# Seconds after which an unused connection is not trusted any more: many servers close theirs silently.
_IDLE_LIMIT = 20.0


# Seconds within which an endpoint answers that is well.
_SOON = 0.5


def _answers(sock: socket.socket) -> bool:
    """Tell whether an answer begins within a moment."""
    try:
        return bool(select.select([sock], [], [], _SOON)[0])
    except (OSError, ValueError):
        # `select` does not know descriptors above 1023.
        return False


class Transport:
    """A kept-alive connection to one endpoint, used by one thread at a time."""

    def __init__(self, endpoint: str) -> None:
        self._configured = self._endpoint = endpoint
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def post(self, lines: bytes, seconds: float, handed: Callable[[bool], object] = bool) -> Answer:
        """Post wire lines within about `seconds`; never raises for what an endpoint or network does.

        `handed` is called with True once all is handed to the network, and with False when no answer comes soon or
        another one than yes.
        """
        body = b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]"
        packer = zlib.compressobj(3, zlib.DEFLATED, 31)
        packed = packer.compress(body) + packer.flush()
        for _ in range(_MOST_REDIRECTS):
            kept = self._connection is not None
            try:
                status, headers, answer = self._exchange(packed, seconds, handed)
            except (OSError, http.client.HTTPException, ValueError) as error:
                handed(False)
                self.close()
                if kept and isinstance(error, ConnectionError):
                    # The endpoint closed the connection while it was not used: the next one is new.
                    continue
                # A host that a redirect named may go again.
                self._endpoint = self._configured
                why = str(error) or type(error).__name__
                guard.warn("endpoint", f"cannot reach {self._endpoint}: {why}; telemetry waits in the spool", "info")
                return Answer(False)
            if status != 200:
                handed(False)
            if status not in _REDIRECTS:
                return self._read(status, headers, answer, lines, seconds)
            if not self._redirect(headers.get("Location", "")):
                break
        return Answer(False)

    def _exchange(self, body: bytes, seconds: float, handed: Callable[[bool], object]) -> tuple[int, Any, bytes]:
        if self._connection is not None and time.monotonic() - self._used > _IDLE_LIMIT:
            self.close()
        connection = self._connection or self._connect(seconds)
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        connection.request("POST", self._path, body, _HEADERS)
        handed(True)
        if not _answers(connection.sock):
            handed(False)
        response = connection.getresponse()
        try:
            answer = response.read(1 << 20)
        except (OSError, http.client.HTTPException):
            # The status is the answer; only a partial one needs its body.
            if response.status != 200:
                raise
            answer = b""
            self.close()
        if response.will_close or not response.isclosed():
            self.close()
        self._used = time.monotonic()
        return response.status, response.headers, answer

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        parts = urlsplit(self._endpoint)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._path = parts.path.rstrip("/") + _PATH
        self._connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        # An application may have the class print what all connections send.
        self._connection.set_debuglevel(0)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Close the connection that a forked child inherited.

        Not as `close` does, which waits for a lock that the parent's thread may have held at the fork.
        """
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())

    def _redirect(self, location: str) -> bool:
        """Follow a redirect to a host of the service over https, or on loopback; remember it."""
        try:
            parts = urlsplit(location)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            parts, host = urlsplit(""), ""
        trusted = host in _LOOPBACK or (parts.scheme == "https" and host.endswith(_SERVICE_SUFFIXES))
        if not trusted or parts.scheme not in ("http", "https"):
            guard.warn("redirect", f"the endpoint redirects to {host!r}, which is no host of the service: not followed")
            return False
        self.close()
        path = parts.path[: -len(_PATH)] if parts.path.endswith(_PATH) else ""
        self._endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
        return True

    def _read(self, status: int, headers: Any, answer: bytes, lines: bytes, seconds: float) -> Answer:
        """Turn an answer of the service into what becomes of the batch."""
        if status == 200:
            return Answer(True)
        if status == 206:
            return self._read_partial(answer, lines, _retry_after(headers))
        if status in _TRANSIENT:
            guard.warn(f"status{status}", f"the endpoint answers {status}; telemetry waits in the spool", "info")
            return Answer(False, retry_after=_retry_after(headers))
        each = lines.splitlines(keepends=True)
        if status == 400 and any(error.get("statusCode") in _RETRIED for error in _errors(answer)):
            # The status is that of the first item where none was accepted; others are worth another try.
            return self._read_partial(answer, lines, _retry_after(headers))
        if status == 413 and len(each) > 1:
            return self._post_halves(each, seconds)
        text = _reasons(answer) or "no reason given"
        minute = int(time.monotonic() // 60)
        guard.warn(
            f"refused{status} {minute}", f"the endpoint refuses telemetry ({status}: {text}); {len(each)} items dropped"
        )
        return Answer(True)

    def _post_halves(self, each: list[bytes], seconds: float) -> Answer:
        half = len(each) // 2
        again: list[bytes] = []
        retry_after: float | None = None
        for part in (each[:half], each[half:]):
            answered = self.post(b"".join(part), seconds / 2)
            again.extend(answered.again if answered.delivered else part)
            retry_after = answered.retry_after if retry_after is None else retry_after
        return Answer(True, tuple(again), retry_after)

    def _read_partial(self, answer: bytes, lines: bytes, retry_after: float | None) -> Answer:
        each = lines.splitlines(keepends=True)
        again: dict[int, bytes] = {}
        for error in _errors(answer):
            index, code = error.get("index"), error.get("statusCode")
            if type(index) is not int or type(code) is not int or not 0 <= index < len(each):
                continue
            if code in _RETRIED:
                again[index] = each[index]
            elif "sampled out" not in str(error.get("message", "")).lower():
                # The item itself is never shown: it may hold what the log must not.
                guard.warn(f"item{code}", f"the endpoint refuses an item ({code}: {_short(error.get('message'))})")
        return Answer(True, tuple(again.values()), retry_after)


_HEADERS = {
    "Content-Type": "application/json",
    "Content-Encoding": "gzip",
    "Accept": "application/json",
    # The service reads the browser of an item without one from here: say nothing that looks like a browser.
    "User-Agent": f"autotrace/{__version__}",
}


def _errors(answer: bytes) -> list[Any]:
    try:
        errors = json.loads(answer).get("errors", [])
    except (ValueError, AttributeError, RecursionError):
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _reasons(answer: bytes) -> str:
    return "; ".join(sorted({_short(error.get("message")) for error in _errors(answer)})[:3])


def _short(message: Any) -> str:
    return "".join(character for character in str(message)[:200] if character.isprintable())


def _retry_after(headers: Any) -> float | None:
    """Return the seconds that a Retry-After header asks for, as seconds or as a date; None without one."""
    value = headers.get("Retry-After")
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(min(int(value.strip()[:9]), 86_400))
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, min(parsedate_to_datetime(value).timestamp() - time.time(), 86_400.0))
    except (TypeError, ValueError, OverflowError):
        return None
