"""Reading the store: connections that cannot write, and that give up a query which takes too long."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from typing import Iterator
from urllib.parse import quote

# Steps of SQLite's virtual machine between looks at the clock: about a tenth of a millisecond.
_STEPS = 1000


@contextmanager
def reading(path: str, seconds: float) -> Iterator[sqlite3.Connection]:
    """Lend a connection to the store at `path` that reads only; what it runs is interrupted after `seconds`.

    An interrupted query raises sqlite3.OperationalError. Rows are sqlite3.Row. All is read as of one moment.
    """
    connection = sqlite3.Connection(
        f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=5, isolation_level=None
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only = 1")
        end = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()
