"""AUTOTRACE_FLUSH_ON_SIGTERM: a SIGTERM that nobody handles ends the process after what it has recorded is sent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from . import guard


def arm() -> None:
    """Handle SIGTERM unless somebody does already; whoever handles it later takes our place.

    Python takes handlers from the main thread only, and a server may answer all its requests in others: so this is
    done when the first web framework is imported, not with the first request.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, flush_and_die)


def flush_and_die(number: int, frame: Any) -> None:
    """Send what can be sent in time, then die of the signal as without us: the exit status tells it."""
    signal.signal(number, signal.SIG_DFL)
    processes: Any = sys.modules.get("autotrace.processes")
    if processes is not None:
        try:
            # In a thread of its own: this one may have been interrupted with a lock in its hands.
            sending = threading.Thread(target=processes.flush_all, daemon=True)
            sending.start()
            sending.join(processes.EXIT_DEADLINE + 0.5)
        except Exception as error:
            guard.failed("sending telemetry at SIGTERM", error)
    os.kill(os.getpid(), number)
