"""Random trace and span ids, taken from the operating system a page at a time."""

from __future__ import annotations

import os
from os import getpid, urandom
from typing import Callable

_PAGE = 64
_TRACES = [slice(start, start + 32) for start in range(0, 48 * _PAGE, 48)]
_SPANS = [slice(start + 32, start + 48) for start in range(0, 48 * _PAGE, 48)]
_pool: list[tuple[str, str]] = []
_CALLS = [slice(start, start + 16) for start in range(0, 16 * _PAGE, 16)]
_calls: list[str] = []
# The process that all this belongs to.
_process = 0
# What has to be done anew in each process, called at the start of its first request.
on_new_process: list[Callable[[], object]] = [_pool.clear, _calls.clear]


def new_ids() -> tuple[str, str]:
    """Return a random trace id (32 hex digits) and span id (16 hex digits).

    `urandom` lets go of the interpreter lock: called for each request it waited its turn again behind the thread that
    sends. A forked child must not hand out its parent's ids.
    """
    if getpid() != _process:
        _begin_process()
    while True:
        try:
            return _pool.pop()
        except IndexError:
            page = urandom(24 * _PAGE).hex()
            # In C, so that no other thread finds half of it.
            _pool.extend(zip(map(page.__getitem__, _TRACES), map(page.__getitem__, _SPANS)))


def new_span_id() -> str:
    """Return one more random span id (16 hex digits) in a request, whose `new_ids` has seen to the process."""
    while True:
        try:
            return _calls.pop()
        except IndexError:
            _calls.extend(map(urandom(8 * _PAGE).hex().__getitem__, _CALLS))


def _begin_process() -> None:
    global _process
    for forget in on_new_process:
        forget()
    _process = getpid()


if hasattr(os, "register_at_fork"):
    # For a request during which the application forks, and which both processes end. Servers that fork in C do not
    # come here.
    os.register_at_fork(after_in_child=_begin_process)
