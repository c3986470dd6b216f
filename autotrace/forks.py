"""What has to rest while this process forks: what a thread holds then, it holds for ever in the child."""

from __future__ import annotations

import os
import threading
from typing import Callable, ContextManager, NamedTuple

# Seconds that a fork waits for a thread that imports a module.
PATIENCE = 1.0

_importing = threading.RLock()
# For each fork that is under way, whether it holds the lock.
_holding: list[bool] = []


class Callbacks(NamedTuple):
    """What is called around a fork; none of it may raise."""

    before: Callable[[], object]
    after: Callable[[], object]
    in_child: Callable[[], object]


_callbacks: list[Callbacks] = []


def importing() -> ContextManager[object]:
    """Return the lock to hold while autotrace imports a module after the start of the application.

    A fork waits for it: a module that is half imported at a fork can never be imported in the child.
    """
    return _importing


def register(callbacks: Callbacks) -> None:
    """Have callbacks called around every fork of this process, while nothing is being imported."""
    _callbacks.append(callbacks)


def _before() -> None:
    # Held until the fork is over, so the fork of another thread waits for it as well.
    _holding.append(_importing.acquire(timeout=PATIENCE))
    for each in _callbacks:
        each.before()


def _after() -> None:
    for each in _callbacks:
        each.after()
    if _holding and _holding.pop(0):
        _importing.release()


def _in_child() -> None:
    global _importing
    # Who held the old lock may not exist here.
    _importing = threading.RLock()
    _holding.clear()
    for each in _callbacks:
        each.in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
