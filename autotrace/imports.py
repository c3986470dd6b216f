"""Imports that the sender's thread makes while the application runs: no fork cuts one of them in half.

The lock of a module that is being imported at a fork stays locked in the child for ever: the application's own import
of that module would hang there. So a fork waits for the end of such an import, which comes once a process.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import Iterator

# Seconds that a fork waits at most: an import from a disk that hangs must not hold up the application for ever.
_LONGEST_WAIT = 5.0
_importing = threading.RLock()


@contextmanager
def whole() -> Iterator[None]:
    """Import inside this block what may take long or has many parts."""
    with _importing:
        yield


def _before_fork() -> None:
    _importing.acquire(timeout=_LONGEST_WAIT)


def _in_parent() -> None:
    # It belongs to another thread when the wait was given up.
    with suppress(RuntimeError):
        _importing.release()


def _in_child() -> None:
    global _importing
    _importing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
