"""Microsoft Entra tokens for the endpoint, from the managed identity that the platform gives this process.

azure-identity is imported here alone, in the sender's thread, when the first token is needed.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator

from opencensus.trace import execution_context

from . import imports
from .answers import short
from .blocked import BlockedError
from .connection_string import Authentication

_AUDIENCE = "https://monitor.azure.com/"
# Seconds before its end from which a token is renewed, and between two tries of that.
_MARGIN, _PAUSE = 300.0, 30.0
# Seconds that the identity endpoint has at most; it is on this machine or next to it.
_LONGEST_WAIT = 5.0
# What azure-identity is made of, as far as it logs.
_LOGGERS = ("azure", "msal", "urllib3", "requests")


class Tokens:
    """The tokens of one identity for one audience. Used by one thread at a time, of the process that made it."""

    def __init__(self, authentication: Authentication, audience: str | None) -> None:
        self._client_id = authentication.client_id
        # With the slash that belongs to the audience, and the one in front of the word.
        self._scope = (audience or _AUDIENCE) + "/.default"
        self._token = ""
        self._renewal = self._end = 0.0

    def get(self, seconds: float) -> str:
        """Return a valid token, got within about `seconds`; raises BlockedError when there is none to be had."""
        now = time.time()
        if now < self._renewal:
            return self._token
        try:
            self._token, self._end = self._fetch(min(seconds, _LONGEST_WAIT))
            self._renewal = max(self._end - _MARGIN, now)
        except BlockedError:
            if now >= self._end:
                raise
            self._renewal = min(now + _PAUSE, self._end)
        return self._token

    def forget(self) -> None:
        """Have the next token be a new one: the endpoint refuses the one in use."""
        self._renewal = self._end = 0.0

    def _fetch(self, seconds: float) -> tuple[str, float]:
        """Ask for a token; return it and the time at which it ends."""
        try:
            with imports.whole():
                from azure.core.pipeline.policies import ContentDecodePolicy, RetryPolicy
                from azure.identity import ManagedIdentityCredential
        except Exception as error:
            needed = 'azure-identity: pip install "autotrace-appinsights[entra]"'
            raise BlockedError("entra", f"a Microsoft Entra token needs {needed} ({short(error)})") from error
        # OpenCensus's own patches leave this thread's calls alone.
        execution_context.set_is_exporter(True)
        options: dict[str, Any] = {
            # Not the usual ones: no tracing, no logging, and the sender knows when to try again.
            "policies": [RetryPolicy(retry_total=0), ContentDecodePolicy()],
            "connection_timeout": seconds,
            "read_timeout": seconds,
            # Only a workload identity is exchanged for a token outside, where a proxy may be needed.
            "use_env_settings": bool(os.environ.get("AZURE_FEDERATED_TOKEN_FILE")),
        }
        try:
            with _quiet():
                credential = ManagedIdentityCredential(client_id=self._client_id, **options)
            # Once more, for what was imported meanwhile.
            with _quiet(), credential:
                found = credential.get_token(self._scope)
        except Exception as error:
            raise BlockedError("token", f"no Microsoft Entra token ({short(' '.join(str(error).split()))})") from error
        if not (found.token.isascii() and found.token.isprintable() and found.token):
            raise BlockedError("token", "no Microsoft Entra token (what the identity endpoint gives is none)")
        return found.token, float(found.expires_on)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what azure-identity logs in this thread out of the application's handlers.

    Loggers and their levels are the application's, and its other threads may use azure-identity as well: a filter
    looks at the thread, and is gone afterwards.
    """
    import logging

    own = threading.get_ident()

    def is_others(record: logging.LogRecord) -> bool:
        return threading.get_ident() != own

    named = list(logging.root.manager.loggerDict.items())
    loggers = [logger for name, logger in named if name.partition(".")[0] in _LOGGERS]
    found = [logger for logger in loggers if isinstance(logger, logging.Logger)]
    for logger in found:
        logger.addFilter(is_others)
    try:
        yield
    finally:
        for logger in found:
            logger.removeFilter(is_others)
