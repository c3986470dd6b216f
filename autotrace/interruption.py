"""Commands that go on until a signal ends them: it leaves through every `finally`, and is no traceback."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks for the end; its argument is the signal's number."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the body when a signal asks for the end; another signal does not disturb what follows."""
    with handled(_interrupt):
        yield


@contextmanager
def handled(handler: Callable[[int, Any], object] | signal.Handlers) -> Iterator[None]:
    """Have `handler` called in the body when a signal asks for the end; SIG_IGN ignores it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            # What nohup had ignored stays ignored.
            if before[number] != signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _interrupt(number: int, frame: Any) -> NoReturn:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)
