"""The local exporter: what is in the spool goes into a file on this machine, which `autotrace view` shows."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Callable

from .. import guard, leftovers
from ..local.place import StoreError, path_of
from ..local.store import Store
from ..sender import Answer
from .spooled import SpooledExporter, spool_of

if TYPE_CHECKING:
    from ..settings import Settings

# The instrumentation key of items that stay here.
KEY = "00000000-0000-0000-0000-000000000000"
# Seconds that a writer waits for the others, and until it tries again.
PATIENCE, PAUSE = 5.0, 5.0
# Lines that are written without giving way.
AT_ONCE = 100


class StoreTransport:
    """Writes what is posted into the store; used by one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, lines: bytes, seconds: float, handed: Callable[[bool], object] = bool) -> Answer:
        """Write wire lines within about `seconds`; never raises for what a disk does.

        The store knows the lines that it has, so that one which comes twice is there once.
        """
        end = time.monotonic() + seconds
        each = lines.splitlines(keepends=True)
        try:
            for start in range(0, len(each), AT_ONCE):
                left = end - time.monotonic()
                if left <= 0:
                    return Answer(False, retry_after=PAUSE)
                self._store.write_lines(b"".join(each[start : start + AT_ONCE]), min(left, PATIENCE))
                # The turn of others: a greenlet that sends has the thread of all requests.
                time.sleep(0)
        except StoreError as error:
            guard.warn(f"store {error}", f"cannot write to the store {error}; telemetry waits in the spool")
            return Answer(False, retry_after=PAUSE)
        return Answer(True)

    def close(self) -> None:
        """Close the store; the next post opens it again."""
        self._store.close()

    def abandon(self) -> None:
        """Let go of the store that a forked child inherited."""
        self._store.abandon()


def store_of(settings: Settings) -> Store:
    """Return the store of the settings; StoreError where this user can have none."""
    return Store(path_of(settings.local_store), settings.local_days, settings.local_size)


def transport_of(settings: Settings) -> StoreTransport:
    """Return what writes into the store of the settings; StoreError where this user can have none."""
    return StoreTransport(store_of(settings))


def destination_of(settings: Settings) -> str:
    """Return the name of the spool of the store: lines for different files never mix."""
    where = f"local {path_of(settings.local_store)}"
    return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def open_exporter(settings: Settings, application: str, chosen: Any) -> SpooledExporter:
    """Return the exporter for the store of the settings; StoreError where this user can have none."""
    return SpooledExporter(settings, application, KEY, destination_of(settings), lambda: transport_of(settings))


def collect(settings: Settings) -> None:
    """Bring into the store what processes that are gone have left in its spool; StoreError where there is no store."""
    lines, transport = spool_of(settings, destination_of(settings)), transport_of(settings)
    leftovers.send(lines, transport, time.monotonic() + PATIENCE)
