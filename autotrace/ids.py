"""Random trace and span ids, taken from the operating system a page at a time."""

from __future__ import annotations

import os
from os import getpid, urandom

_PAGE = 64
_TRACES = [slice(start, start + 32) for start in range(0, 48 * _PAGE, 48)]
_SPANS = [slice(start + 32, start + 48) for start in range(0, 48 * _PAGE, 48)]
_pool: list[tuple[str, str]] = []
# The process that the pool belongs to, asked for at the start of each request; 0 where that is not known.
process = 0


def new_ids() -> tuple[str, str]:
    """Return a random trace id (32 hex digits) and span id (16 hex digits).

    `urandom` lets go of the interpreter lock: called for each request it waited its turn again behind the thread that
    sends. A forked child must not hand out its parent's ids, and servers that fork in C run no after-fork callback.
    """
    global process
    if getpid() != process:
        _pool.clear()
        process = getpid()
    while True:
        try:
            return _pool.pop()
        except IndexError:
            page = urandom(24 * _PAGE).hex()
            # In C, so that no other thread finds half of it.
            _pool.extend(zip(map(page.__getitem__, _TRACES), map(page.__getitem__, _SPANS)))


def _forget_process() -> None:
    global process
    process = 0


if hasattr(os, "register_at_fork"):
    # For a request during which the application forks, and which both processes end.
    os.register_at_fork(after_in_child=_forget_process)
