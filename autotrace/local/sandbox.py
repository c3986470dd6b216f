"""Runs one query of a user, in a process that is there for nothing else.

Not in the server: some functions of SQLite, LIKE for one, can be kept busy for hours in a single step, and nothing but
the end of their process stops that; and what a query takes of memory is taken from the server's pages and clients. So
this process has limits of its own on memory, time and temporary files, and reads nothing but the tables of the store.

It gets one JSON object from standard input (see `queries`), and writes one JSON value a line: the names of the columns,
the rows, and an object with `end`: `done`, `cut` where there were more rows, or an error as `stopped`, `memory`,
`space` or `error`, the last one with its `message`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sqlite3
import sys
import time
from contextlib import suppress
from typing import Any, Iterable
from urllib.parse import quote

from .tables import TABLES, middle_of

# Bytes that SQLite may have, those of the whole process, and those of a temporary file, for what is sorted.
_HEAP = 64 << 20
_MEMORY = 320 << 20
_FILE = 512 << 20
# Bytes of a single value.
_LONGEST_VALUE = 8 << 20
# Steps of SQLite's virtual machine between looks at the clock.
_STEPS = 10_000

_READABLE = frozenset((*TABLES, "sqlite_master", "sqlite_schema", "json_each", "json_tree"))
# Not a list of what is dangerous: the next version of SQLite has more functions.
_FUNCTIONS = frozenset(
    re.findall(
        r"\S+",
        # The first one is ours: the middle of a bucket, in milliseconds.
        """
        bucket_ms abs avg ceil ceiling char coalesce count cume_dist date datetime dense_rank exp first_value floor
        format glob group_concat hex ifnull iif instr json json_array json_array_length json_extract json_group_array
        json_group_object json_object json_type json_valid julianday lag last_value lead length like ln log log10 log2
        lower ltrim max min mod nth_value ntile nullif percent_rank pow power printf quote rank replace round row_number
        rtrim sign sqrt strftime string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch
        upper -> ->>
        """,
    )
)


def main() -> None:
    """Answer the query on standard input."""
    asked = json.load(sys.stdin.buffer)
    _limit(asked["seconds"])
    try:
        end: dict[str, Any] = _run(**asked)
    except MemoryError:
        end = {"end": "memory"}
    sys.stdout.write(json.dumps(end) + "\n")
    sys.stdout.flush()


def _limit(seconds: float) -> None:
    wanted = {
        resource.RLIMIT_AS: _MEMORY,
        resource.RLIMIT_FSIZE: _FILE,
        resource.RLIMIT_CORE: 0,
        # Where the server is gone, nobody else ends this process.
        resource.RLIMIT_CPU: int(seconds) + 2,
    }
    for which, most in wanted.items():
        _, hard = resource.getrlimit(which)
        lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(which, (lower, lower))
        except (OSError, ValueError):
            # Not all systems limit all of this; the heap of SQLite is limited everywhere.
            continue


def _run(path: str, sql: str, seconds: float, rows: int, size: int, longest: int) -> dict[str, Any]:
    """Run a query and return how it ended; `size` is how many characters of rows there may be.

    Texts are cut at `longest` characters; 0 leaves them whole.
    """
    connection = sqlite3.Connection(
        f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=2, isolation_level=None
    )
    connection.text_factory = lambda found: found.decode("utf-8", "replace")
    for pragma in ("query_only = 1", f"hard_heap_limit = {_HEAP}", "trusted_schema = 0"):
        connection.execute(f"PRAGMA {pragma}")
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.create_function("bucket_ms", 1, _bucket_ms)
    with suppress(sqlite3.Error):
        # SQLite makes these tables when they are first named, which is more than reading.
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.set_authorizer(_authorize)
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        cursor = connection.execute(sql)
        if cursor.description is None:
            return {"end": "error", "message": "there is no query in this text"}
        _write([column[0] for column in cursor.description])
        room = size
        for number, row in enumerate(cursor):
            room -= _write([_value(value, longest) for value in row]) if number < rows and room > 0 else 0
            if number >= rows or room <= 0:
                return {"end": "cut"}
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        return _failure(error, time.monotonic() > until)
    return {"end": "done"}


def _failure(error: Exception, late: bool) -> dict[str, Any]:
    message = str(error)
    if late or message == "interrupted":
        return {"end": "stopped"}
    if "full" in message or "I/O error" in message:
        return {"end": "space"}
    if "out of memory" in message:
        return {"end": "memory"}
    return {"end": "error", "message": message[:1000]}


def _write(values: Iterable[Any]) -> int:
    line = json.dumps(values)
    sys.stdout.write(line + "\n")
    return len(line)


def _value(value: Any, longest: int) -> Any:
    if isinstance(value, bytes):
        value = f"x'{value[: longest or None].hex()}'"
    if longest and isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}… ({len(value):,} characters)"
    return value


def _bucket_ms(bucket: Any) -> float | None:
    return middle_of(bucket) if isinstance(bucket, int) and abs(bucket) < 1000 else None


def _authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    allowed = (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE)
        # Without a column only rows are counted: those of a part of the query itself, `WITH part AS …`, for one.
        or (action == sqlite3.SQLITE_READ and (first in _READABLE or not second))
        or (action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
