"""Waiting for others that have the store, without holding up the thread's other greenlets.

SQLite's own wait sleeps in C: under gevent and eventlet all requests of the process would wait with it.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Callable, TypeVar

T = TypeVar("T")
# Seconds between looks, doubled each time.
_FIRST, _LONGEST = 0.001, 0.05


def patiently(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` does once no other process is in its way; sqlite3.OperationalError after `seconds`.

    Its connection must not wait by itself.
    """
    end = time.monotonic() + seconds
    pause = _FIRST
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            left = end - time.monotonic()
            if "locked" not in str(error) or left <= 0:
                raise
        # As the module has it, which those libraries replace.
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST)
