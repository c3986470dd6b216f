"""Posts batches to an Application Insights ingestion endpoint and decides what becomes of them."""

from __future__ import annotations

import time
import zlib
from http.client import HTTPException
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlsplit

from . import __version__, answers, guard
from .blocked import BlockedError
from .connection import Connection, Reply, connect
from .proxies import is_loopback
from .redirects import PATH, follow, host_of
from .sender import Answer

if TYPE_CHECKING:
    from .entra import Tokens

_REDIRECTS = (307, 308)
_MOST_REDIRECTS = 10
_QUOTA = (402, 439)
# Items that are worth another try; the quota is given anew each day, the spool keeps items for longer than that.
_RETRIED = (408, 429, 500, 502, 503, 504, *_QUOTA)
_UNAUTHORIZED = (401, 403)
# Seconds between tries while the quota is used up.
_QUOTA_PAUSE = 600.0
# Seconds after which an unused connection is not trusted any more: many servers close theirs silently.
_IDLE_LIMIT = 20.0
_HEADERS = {
    # One item a line, as Microsoft's .NET SDK sends them: the lines of the spool go out as they are, with no copy made.
    "Content-Type": "application/x-json-stream",
    "Content-Encoding": "gzip",
    "Accept": "application/json",
    # The service reads the browser of an item without one from here: say nothing that looks like a browser.
    "User-Agent": f"autotrace/{__version__}",
}
_WAITS = "telemetry waits in the spool"
# Statuses that do not go away by themselves, and what somebody has to do about them.
_ADVICE = {
    401: "it may want a Microsoft Entra token: set APPLICATIONINSIGHTS_AUTHENTICATION_STRING=Authorization=AAD",
    402: "the quota of the resource is used up: raise it, or sample with AUTOTRACE_SAMPLER",
    403: "it takes nothing from this network, or not without a Microsoft Entra token "
    "(APPLICATIONINSIGHTS_AUTHENTICATION_STRING=Authorization=AAD)",
    404: "check the IngestionEndpoint in APPLICATIONINSIGHTS_CONNECTION_STRING: copy the string from the portal anew",
    407: "the proxy wants a user name and a password, or others: http://user:password@host:port",
    439: "the daily cap of the resource is reached: raise it, or sample with AUTOTRACE_SAMPLER",
}
_ROLE = "the identity needs the role Monitoring Metrics Publisher on the Application Insights resource"


class Transport:
    """A kept-alive connection to one endpoint, used by one thread at a time; `tokens` are sent with each post."""

    def __init__(self, endpoint: str, tokens: Tokens | None = None) -> None:
        self._configured = self._endpoint = endpoint
        self._tokens = tokens
        self._connection: Connection | None = None
        self._used = 0.0
        self._handed: Callable[[bool], object] = bool

    def post(self, lines: bytes, seconds: float, handed: Callable[[bool], object] = bool) -> Answer:
        """Post wire lines within about `seconds`; never raises for what an endpoint or network does.

        `handed` is called with True once all is handed to the network, and with False when no answer comes soon or
        another one than yes.
        """
        self._handed = handed
        answer = self._post(lines, time.monotonic() + seconds)
        if not answer.delivered and self._endpoint != self._configured:
            # A host that a redirect named may go again, or be the wrong one by now.
            self.close()
            self._endpoint = self._configured
        return answer

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Close the connection that a forked child inherited.

        Not as `close` does: the parent's thread may have held a lock of it at the fork.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _post(self, lines: bytes, end: float) -> Answer:
        packed = _pack(lines)
        may_renew = self._tokens is not None
        for _ in range(_MOST_REDIRECTS):
            reply = self._try(packed, end)
            if reply is None:
                return Answer(False)
            if reply.status != 200:
                self._handed(False)
            if reply.status in _UNAUTHORIZED and self._tokens is not None and may_renew:
                # The token may be withdrawn: once with a new one.
                self._tokens.forget()
                may_renew = False
            elif reply.status not in _REDIRECTS:
                return self._read(reply, lines, end)
            elif not self._redirect(reply.headers.get("Location") or ""):
                return Answer(False, retry_after=answers.retry_after(reply.headers))
        guard.warn("redirects", f"the endpoint redirects in a circle; {_WAITS}", "info")
        return Answer(False)

    def _try(self, body: bytes, end: float) -> Reply | None:
        """Post a body; return None, and say why, when nothing comes back."""
        try:
            return self._exchange(body, end)
        except BlockedError as error:
            guard.warn(error.topic, f"cannot send to {self._endpoint}: {error}; {_WAITS}")
        except (OSError, HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            guard.warn("endpoint", f"cannot reach {self._endpoint}: {why}; {_WAITS}", "info")
        self.close()
        return None

    def _exchange(self, body: bytes, end: float) -> Reply:
        """Post a body over the kept connection or a new one."""
        headers = {**_HEADERS, **self._authorization(end)}
        if self._connection is not None and time.monotonic() - self._used > _IDLE_LIMIT:
            self.close()
        if self._connection is not None:
            try:
                return self._post_on(self._connection, headers, body, end)
            except ConnectionError:
                # The endpoint closed the connection while it was not used.
                self.close()
        self._connection = connect(self._endpoint, end)
        return self._post_on(self._connection, headers, body, end)

    def _post_on(self, connection: Connection, headers: dict[str, str], body: bytes, end: float) -> Reply:
        reply = connection.post(PATH, headers, body, end, self._handed)
        self._used = time.monotonic()
        if not connection.reusable or reply.status not in (200, 206):
            # What is not the service's usual answer may be a proxy's or a portal's: the next post looks for itself.
            self.close()
        return reply

    def _authorization(self, end: float) -> dict[str, str]:
        if self._tokens is None:
            return {}
        parts = urlsplit(self._endpoint)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise BlockedError("token over http", "a Microsoft Entra token is not sent without TLS: use https://")
        return {"Authorization": f"Bearer {self._tokens.get(max(end - time.monotonic(), 0.1))}"}

    def _redirect(self, location: str) -> bool:
        """Follow a redirect where it may be followed, and remember it."""
        target = follow(location, self._endpoint, self._configured)
        if target is None:
            host = answers.short(host_of(location))
            guard.warn("redirect", f"the endpoint redirects to {host}, no host of the service: not followed; {_WAITS}")
            return False
        self.close()
        self._endpoint = target
        return True

    def _read(self, reply: Reply, lines: bytes, end: float) -> Answer:
        """Turn an answer into what becomes of the batch.

        Only 400 and 413 are the service's word against the items. All else is about the way there, which may heal,
        or about an account that somebody has to see to: the items are kept, within the limits of the spool.
        """
        status = reply.status
        if status == 200:
            return Answer(True)
        if status == 206:
            return self._read_partial(reply, lines)
        if status not in (400, 413):
            self._say(reply)
            return Answer(False, retry_after=self._pause(status, reply))
        each = lines.splitlines(keepends=True)
        if status == 413 and len(each) > 1:
            return self._post_halves(each, end)
        if status == 400 and any(item.status in self._retried() for item in answers.refused(reply.body, len(each))):
            # The status is that of the first item where none was accepted; others are worth another try.
            return self._read_partial(reply, lines)
        if status == 400 and answers.received(reply.body) != len(each):
            readable = [line for line in each if answers.is_item(line)]
            if len(readable) < len(each):
                # A damaged file: the rest of the batch has nothing to do with it.
                guard.lost("damaged", "{count} unsent items were damaged and dropped", len(each) - len(readable))
                return self._post(b"".join(readable), end) if readable else Answer(True)
        _say_refused(status, answers.reasons(reply.body) or "no reason given", len(each))
        return Answer(True)

    def _say(self, reply: Reply) -> None:
        status, advice = reply.status, _ADVICE.get(reply.status)
        if self._tokens is not None and status in _UNAUTHORIZED:
            advice = f"{answers.reasons(reply.body) or 'the Microsoft Entra token is refused'}: {_ROLE}"
        what = f"the endpoint answers {status}"
        if advice is None:
            guard.warn(f"status{status}", f"{what}; {_WAITS}", "info")
        else:
            guard.warn(f"status{status}", f"{what}: {advice}; {_WAITS}")

    def _pause(self, status: int, reply: Reply) -> float | None:
        """Return how long the endpoint is left alone, in seconds; None for the sender's own back-off."""
        return answers.retry_after(reply.headers) or (_QUOTA_PAUSE if status in _QUOTA else None)

    def _retried(self) -> tuple[int, ...]:
        return _RETRIED if self._tokens is None else (*_RETRIED, *_UNAUTHORIZED)

    def _post_halves(self, each: list[bytes], end: float) -> Answer:
        half = len(each) // 2
        again: list[bytes] = []
        pauses: list[float] = []
        for part in (each[:half], each[half:]):
            answered = self._post(b"".join(part), end)
            again.extend(answered.again if answered.delivered else part)
            pauses += [] if answered.retry_after is None else [answered.retry_after]
        return Answer(True, tuple(again), max(pauses, default=None))

    def _read_partial(self, reply: Reply, lines: bytes) -> Answer:
        each = lines.splitlines(keepends=True)
        again: dict[int, bytes] = {}
        refused: dict[int, list[str]] = {}
        status = reply.status
        found = list(answers.refused(reply.body, len(each)))
        if not found:
            # Sent once more, the others would arrive twice.
            guard.warn("partial", "the endpoint refuses some items and does not say which: they are lost")
        for item in found:
            if item.status in self._retried():
                again[item.place] = each[item.place]
                status = item.status if item.status in _QUOTA else status
            elif "sampled out" not in item.message.lower():
                refused.setdefault(item.status, []).append(item.message)
        for code, messages in refused.items():
            _say_refused(code, messages[0], len(messages))
        return Answer(True, tuple(again.values()), self._pause(status, reply))


def _say_refused(status: int, why: str, count: int) -> None:
    # The items themselves are never shown: they may hold what the log must not.
    guard.lost(f"refused{status}", f"the endpoint refuses telemetry ({status}: {why}); {{count}} items dropped", count)


def _pack(lines: bytes) -> bytes:
    packer = zlib.compressobj(3, zlib.DEFLATED, 31)
    return packer.compress(lines) + packer.flush()
