"""The journals of this process: made on first use, quiet while it forks, emptied at its end."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import Any, Callable, Iterable

from . import guard, imports
from .sender import Journal

# Seconds that the end of a process may take.
EXIT_DEADLINE = 2.0
# Seconds that a fork waits for a sender to end.
FORK_PATIENCE = 0.005

_journals: dict[tuple[int, str], Journal] = {}
_preparations: list[Callable[[], object]] = []
# The filter that hides Python's warning of threads while a fork is under way.
_hidden: list[Any] = []


def journal(destination: str, make: Callable[[], Journal]) -> Journal:
    """Return this process's journal for a destination, made on first use in each process.

    The process id is part of the key because servers that fork in C (uWSGI) run no after-fork callback.
    """
    key = (os.getpid(), destination)
    found = _journals.get(key)
    if found is None:
        abandon_inherited()
        # It asks the standard library for a directory, which holds a lock meanwhile: a fork waits.
        with imports.whole():
            made = make()
        found = _journals.setdefault(key, made)
        if found is made:
            atexit.register(_end, made)
            # Children of multiprocessing leave without exit callbacks, but for those of its own.
            processes = sys.modules.get("multiprocessing.util")
            if processes is not None:
                processes.Finalize(None, _end, (made,), exitpriority=-1_000_000)
    return found


def drain_all() -> None:
    """Send what this process has to send, within the time that its end may take."""
    for each in _own():
        each.drain(EXIT_DEADLINE)


def flush_all() -> None:
    """Send what this process has to send, as its last act."""
    for each in _own():
        _end(each)


def before_the_end(prepare: Callable[[], object]) -> None:
    """Have `prepare` called before the last post of every process; it may raise."""
    _preparations.append(prepare)


def _end(journal: Journal) -> None:
    if journal.pid != os.getpid():
        return
    for prepare in _preparations:
        try:
            prepare()
        except Exception as error:
            guard.failed("preparing the last post", error)
    journal.flush(EXIT_DEADLINE)


def abandon_inherited() -> None:
    """Let go of the journals of the process that this one was forked from."""
    for key in [key for key in _journals if key[0] != os.getpid()]:
        inherited = _journals.pop(key, None)
        if inherited is not None:
            inherited.spool.abandon()
            inherited.transport.abandon()


def _own() -> list[Journal]:
    return [each for (pid, _), each in list(_journals.items()) if pid == os.getpid()]


def _before_fork() -> None:
    """End the senders: a process with threads is not to be forked, and Python 3.12 warns of it."""
    _show_warning()
    threads = [thread for thread in [each.pause(FORK_PATIENCE) for each in _own()] if thread is not None]
    posting = [thread for thread in threads if thread.is_alive() or _counts(thread)]
    if sys.version_info >= (3, 12) and _own():
        _hide_warning(posting)


def _counts(thread: threading.Thread) -> bool:
    """Tell whether the system still counts a thread that has just ended, after a moment."""
    end = time.monotonic() + FORK_PATIENCE
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        if time.monotonic() > end:
            return True
        os.sched_yield()
    return False


def _hide_warning(posting: Iterable[threading.Thread]) -> None:
    """Hide that warning when the threads are the forking one and ours, which the application cannot know of."""
    ours = {str(thread.native_id) for thread in posting}
    with suppress(OSError):
        if set(os.listdir("/proc/self/task")) == ours | {str(threading.get_native_id())}:
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            _hidden.append(warnings.filters[0])


def _after_fork() -> None:
    for each in _own():
        each.resume()
    # Later ones count the threads behind this callback: there the next fork takes the filter away.
    if sys.version_info < (3, 13):
        _show_warning()


def _after_fork_in_child() -> None:
    _show_warning()
    abandon_inherited()


def _show_warning() -> None:
    while _hidden:
        with suppress(ValueError):
            warnings.filters.remove(_hidden.pop())  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
