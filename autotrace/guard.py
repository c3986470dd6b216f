"""The one place where autotrace's own failures end: said once on stderr, never raised into the application."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque

LEVELS = ("silent", "warning", "info", "debug")


class Loss:
    """What is said of one kind of loss, the numbers of items that are not said yet, and when it was said last.

    Numbers are added and taken away one by one, which no other thread can come between: a lock could be held at a
    fork.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.unsaid: deque[int] = deque()
        self.last: float | None = None

    def take(self) -> int:
        """Return how many items are not said yet; they are now."""
        total = 0
        with contextlib.suppress(IndexError):
            while True:
                total += self.unsaid.popleft()
        return total


_said: set[str] = set()
# Process id and key → what is lost.
_losses: dict[tuple[int, str], Loss] = {}
# Seconds between two lines about the same kind of loss.
_PAUSE = 60.0
_level = 1


def set_level(name: str) -> None:
    """Choose how much is said: one of LEVELS; an unknown name changes nothing."""
    global _level
    if name in LEVELS:
        _level = LEVELS.index(name)


def warn(key: str, text: str, level: str = "warning") -> None:
    """Say `text` in one line on stderr, once for each `key` in this process; never raises.

    The line goes to file descriptor 2 directly: `sys.stderr` and `logging` belong to the application.
    """
    if key in _said or _level < LEVELS.index(level):
        return
    _said.add(key)
    _write(text)


def lost(key: str, text: str, count: int) -> None:
    """Count lost items, and say `text` with their number in the place of {count}: for each `key` once a minute."""
    loss = _losses.setdefault((os.getpid(), key), Loss(text))
    # The newest says why.
    loss.text = text
    loss.unsaid.append(count)
    say_lost()


def say_lost(*, at_end: bool = False) -> None:
    """Say what was lost since a line was last written about it, a minute ago or more; `at_end` at once."""
    now = time.monotonic()
    for (pid, _), loss in list(_losses.items()):
        # A forked child has a copy of what its parent will say.
        if pid != os.getpid() or not (at_end or loss.last is None or now - loss.last >= _PAUSE):
            continue
        count = loss.take()
        if count:
            loss.last = now
            if _level:
                _write(loss.text.replace("{count}", str(count)))


def _write(text: str) -> None:
    # Some of it may be a stranger's words: no control character of theirs reaches a terminal.
    safe = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    line = f"autotrace: {safe}\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace"))


def failed(where: str, error: BaseException) -> None:
    """Say that a part of autotrace failed with `error`; each place and error type is said once."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        # It may be an exception of the application.
        text = "without a text"
    warn(where + name, f"{where} failed ({name}: {text}); the application is not affected")
    if _level >= LEVELS.index("debug"):
        import traceback

        for line in traceback.format_exception(type(error), error, error.__traceback__):
            warn(line, line, "debug")
