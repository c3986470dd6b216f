"""Queries that users write: each runs in a process of its own, `sandbox`, which is ended when it takes too long."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple

# Seconds of a query, and those that its process has on top of them to begin and end.
SECONDS = 5.0
_GRACE = 1.0
# Queries at a time: each may have a core and some hundred megabytes.
_MOST = 2
# Seconds that one waits for others.
_PATIENCE = 3.0

_CODE = "import sys; sys.path.append(sys.argv[1]); from autotrace.local import sandbox; sandbox.main()"
_PACKAGE = str(Path(__file__).resolve().parent.parent.parent)
_running = threading.BoundedSemaphore(_MOST)
_WORDS = {
    "stopped": f"The query was stopped: it ran for more than {SECONDS:g} seconds.",
    "memory": "The query was stopped: it needed more memory than a query may have.",
    "broken": "The query was stopped: its process ended before the query did.",
    "space": "The query was stopped: it needed more temporary space on disk than a query may have.",
}
_ONLY_READS = (
    " A query only reads: it begins with SELECT or WITH, and uses the tables below and the usual functions of SQLite."
)


class Bounds(NamedTuple):
    """What an answer may have: rows, characters of all rows, characters of a text, where 0 is any number."""

    rows: int
    size: int
    longest: int


class Outcome(NamedTuple):
    """How a query ended: what is wrong with it, empty where nothing is; whether there were more rows; its seconds."""

    error: str
    cut: bool
    seconds: float


def run(path: str, sql: str, bounds: Bounds, take: Callable[[list[Any]], object]) -> Outcome:
    """Run a query over the store at `path`; `take` gets the names of the columns, and then each row."""
    if not _running.acquire(timeout=_PATIENCE):
        return Outcome("Other queries are running: try again when they have ended.", False, 0)
    try:
        return _run(path, sql, bounds, take)
    finally:
        _running.release()


def _run(path: str, sql: str, bounds: Bounds, take: Callable[[list[Any]], object]) -> Outcome:
    began = time.monotonic()
    asked = json.dumps({"path": path, "sql": sql, "seconds": SECONDS, **bounds._asdict()}).encode()
    # Isolated: it loads what this package needs, and nothing that the environment or this directory has.
    command = [sys.executable, "-I", "-S", "-c", _CODE, _PACKAGE]
    end: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        ending = threading.Timer(SECONDS + _GRACE, process.kill)
        ending.daemon = True
        ending.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError), process.stdin as file:
                file.write(asked)
            for line in process.stdout:
                found = json.loads(line)
                if isinstance(found, dict):
                    end = found
                else:
                    take(found)
        finally:
            ending.cancel()
            process.kill()
    return _outcome(end, time.monotonic() - began)


def _outcome(end: dict[str, Any], took: float) -> Outcome:
    how = end.get("end")
    if how in ("done", "cut"):
        return Outcome("", how == "cut", took)
    if how == "error":
        message = f"SQLite says: {end['message'].rstrip('.')}."
        denied = any(words in message for words in ("not authorized", "authorization denied", "prohibited"))
        return Outcome(message + (_ONLY_READS if denied else ""), False, took)
    if how is None:
        # It was ended, by the timer or by the system's limits, or could not begin.
        how = "stopped" if took >= SECONDS else "broken"
    return Outcome(_WORDS[how], False, took)
