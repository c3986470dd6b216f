"""Random trace and span ids, taken from the operating system a page at a time."""

from __future__ import annotations

from os import getpid, urandom

_PAGE = 64
_pool: list[str] = []
_pid = 0


def new_ids() -> str:
    """Return 48 random hex digits: 16 for a span id and 32 for a trace id.

    `urandom` lets go of the interpreter lock: called for each request it waited its turn again behind the thread that
    sends. A forked child must not hand out its parent's ids, and servers that fork in C run no after-fork callback.
    """
    global _pid
    if getpid() != _pid:
        _pool.clear()
        _pid = getpid()
    while True:
        try:
            return _pool.pop()
        except IndexError:
            page = urandom(24 * _PAGE).hex()
            _pool.extend(page[start : start + 48] for start in range(0, len(page), 48))
