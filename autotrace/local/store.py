"""The store: one SQLite file of telemetry that several processes write to at once, bounded in age and size."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from typing import Any, Callable, Iterable, Iterator, Sequence, Tuple
from urllib.parse import quote

from .. import guard
from . import rows
from .place import StoreError
from .tables import APPLICATION_ID, TABLES, VERSION, columns_of, definition
from .waiting import patiently

# What marks a file of ours that SQLite cannot read any more; nobody writes to it again.
_DAMAGED = "-damaged"
# Files beside the chosen one that are tried where that cannot be used.
_MOST_FILES = 100
# Seconds between looks at what is too old.
_PRUNE_INTERVAL = 60.0
# In so many parts is a full file emptied, the oldest first.
_PARTS = 10
# Bytes that the write-ahead log keeps on disk once its content is in the file.
_LARGEST_LOG = 16 << 20
# Seconds that the making of a store by another process is waited for.
_PATIENCE = 5.0
_MARKS = ("application_id", "user_version")
_DAY = 86_400 * 1_000_000

_INSERTS = {
    table: f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    for table, names in ((table, [name for name in columns_of(table) if name != "itemId"]) for table in TABLES)
}
Row = Tuple[str, Sequence[Any]]


def usable(path: str, say: Callable[[str], object]) -> str:
    """Return the path of the store for a chosen `path`: itself, or one beside it where that is no store of ours.

    `say` gets a line about each file that is passed over; none of them is changed. StoreError where none can be used.
    """
    stem, extension = os.path.splitext(path)
    for number in range(1, _MOST_FILES):
        candidate = path if number == 1 else f"{stem}-{number}{extension}"
        reason = _objection(candidate)
        if reason is None:
            return candidate
        say(f"{candidate} is not used: {reason}; it is left as it is, and the next name is tried")
    raise StoreError(f"none of the files beside {path} can be used")


def _objection(path: str) -> str | None:
    """Return why a file cannot be the store; None for one that can, or is not there yet."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        return "it is no file"
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if os.path.exists(path + _DAMAGED):
        return "it is damaged"
    if not found.st_size:
        return None
    try:
        mark, version, is_empty = patiently(lambda: _marks(path), _PATIENCE)
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        return "it is no SQLite file" if "not a database" in str(error) else "it is damaged"
    if mark != APPLICATION_ID:
        # One whose making was interrupted has no tables at all.
        return None if is_empty else "it is the database of another program"
    if version != VERSION:
        return "it was made by another version of autotrace"
    return None


def _marks(path: str) -> tuple[int, int, bool]:
    """Return what the header of a SQLite file says about whose it is, its version, and whether it has no tables.

    It is not read with `open`: to close a file ends all locks that this process has on it, and another one that ends
    would then delete the log that a connection of ours writes to.
    """
    address = f"file:{quote(os.fsencode(path))}?mode=ro"
    with closing(sqlite3.Connection(address, uri=True, timeout=0, isolation_level=None)) as connection:
        # All as of one moment: another process may be making the tables.
        connection.execute("BEGIN")
        mark, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS)
        return mark, version, connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


class Store:
    """The file at `path`, which is made where it is missing; `days` and `megabytes` bound it.

    A connection is opened with the first write and kept until `close`. One thread at a time may use it.
    """

    def __init__(self, path: str, days: int, megabytes: int) -> None:
        self.path = path
        self._age = days * _DAY
        self._limit = megabytes << 20
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._next_prune = 0.0

    def write_lines(self, lines: bytes, seconds: float) -> None:
        """Add items of a spool, one a line, each of them once however often it comes; StoreError when it cannot.

        It waits for other writers, for about `seconds`. Lines that are no items are left out and counted.
        """
        found, damaged = [], 0
        for line in lines.splitlines():
            try:
                found.append((_key(line), rows.row_of(json.loads(line))))
            except rows.NO_ITEM:
                damaged += 1
        self._write(lambda connection: _insert(connection, _unseen(connection, found)), seconds)
        if damaged:
            guard.lost("damaged", "{count} unsent items were damaged and dropped", damaged)

    def write(self, found: Sequence[Row], seconds: float) -> None:
        """Add rows as `rows.row_of` returns them; StoreError when it cannot. It waits for other writers."""
        self._write(lambda connection: _insert(connection, found), seconds)

    def prepare(self, seconds: float) -> str:
        """Make the store where it is missing, delete what is too old, and return the path of the file in use.

        StoreError when it cannot be used. It waits for other writers.
        """
        self._write(lambda connection: None, seconds)
        return self._path

    def close(self) -> None:
        """Close the connection; the next write opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        """Let go of a connection that was inherited: SQLite's must not even be closed behind a fork."""
        _inherited.append(self._connection)
        self._connection = None

    def _write(self, work: Callable[[sqlite3.Connection], object], seconds: float) -> None:
        """Do `work` in a transaction of its own, in the file beside where this one is found to be damaged."""
        while True:
            try:
                if self._connection is not None and not self._is_in_place():
                    # What went there would be seen by nobody.
                    self.close()
                connection = self._connection or self._open()
                self._transact(connection, work, seconds)
                return
            except sqlite3.DatabaseError as error:
                # What is open ends with its connection.
                self.close()
                if not is_damage(error):
                    raise StoreError(f"{self._path}: {error}") from error
                mark_damaged(self._path)
            except StoreError:
                # What lies beside the file may only be made anew once nobody has it open.
                self.close()
                raise
            except OSError as error:
                raise StoreError(f"{self._path}: {error.strerror or error}") from error

    def _transact(
        self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object], seconds: float
    ) -> None:
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"), seconds)
        work(connection)
        self._make_room(connection)
        # In a mode without a log, readers are in the way of it.
        patiently(lambda: connection.execute("COMMIT"), seconds)

    def _open(self) -> sqlite3.Connection:
        # Each time: another process may have found out that a file is damaged.
        self._path = usable(self.path, _say)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        os.chmod(self._path, 0o600)
        # Not `connect`, under which an application's calls are traced; not for this thread alone.
        connection = sqlite3.Connection(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection = connection
        patiently(lambda: _make(connection), _PATIENCE)
        self._identity = _identity(self._path)
        return connection

    def _is_in_place(self) -> bool:
        """Tell whether the file that is open has its name yet, and is the store: SQLite itself would not notice."""
        # Nor would it come back to the chosen one, once what lay there has gone.
        return _identity(self._path) == self._identity and usable(self.path, _say) == self._path

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Delete what is too old, now and then, and the oldest where the file is full; in a transaction."""
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + _PRUNE_INTERVAL
            oldest = int(time.time() * 1_000_000) - self._age
            for table in (*TABLES, "_seen"):
                connection.execute(f"DELETE FROM {table} WHERE _time < ?", (oldest,))
        for _ in range(_PARTS):
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            if (pages - free) * size <= self._limit:
                break
            for table in (*TABLES, "_seen"):
                first, last = connection.execute(f"SELECT min(_time), max(_time) FROM {table}").fetchone()
                if first is not None:
                    # At least one row goes: the others are younger than a part of the time that the table spans.
                    until = first + (last - first) // _PARTS
                    connection.execute(f"DELETE FROM {table} WHERE _time <= ?", (until,))


# Connections of processes that this one was forked from.
_inherited: list[sqlite3.Connection | None] = []


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name; None where there is none, or nothing in it."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _say(line: str) -> None:
    guard.warn(line, line)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether SQLite found a file that is none of its own, or not whole."""
    # Not the word alone: SQLite calls a JSON text malformed too, and so it may be.
    return any(words in str(error) for words in ("image is malformed", "malformed database", "not a database"))


def mark_damaged(path: str) -> None:
    """Have every process use the file beside this one from now on; StoreError when that cannot be."""
    try:
        os.close(os.open(path + _DAMAGED, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise StoreError(f"{path} is damaged, and none can be made beside it: {error.strerror}") from error


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables where they are missing; sqlite3.Error when that cannot be."""
    if connection.in_transaction:
        # Somebody was in the way of it before.
        connection.execute("ROLLBACK")
    if not connection.execute("PRAGMA application_id").fetchone()[0]:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have come first.
        if not connection.execute("PRAGMA application_id").fetchone()[0]:
            for statement in definition():
                connection.execute(statement)
        connection.execute("COMMIT")
    # Only now: what marks the file is then in its header, where `_objection` looks, and not in a log beside it.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")


def _key(line: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "big", signed=True)


def _unseen(connection: sqlite3.Connection, found: Iterable[tuple[int, Row]]) -> Iterator[Row]:
    """Yield the rows whose lines never came before."""
    for key, row in found:
        cursor = connection.execute("INSERT OR IGNORE INTO _seen VALUES (?, ?)", (key, row[1][-1]))
        if cursor.rowcount:
            yield row


def _insert(connection: sqlite3.Connection, found: Iterable[Row]) -> None:
    by_table: dict[str, list[Sequence[Any]]] = {}
    for table, values in found:
        by_table.setdefault(table, []).append(values)
    for table, many in by_table.items():
        connection.execute("SAVEPOINT one_table")
        try:
            connection.executemany(_INSERTS[table], many)
        except (UnicodeEncodeError, OverflowError):
            # JSON can spell what SQLite has no place for; that is too rare to look at each value first.
            connection.execute("ROLLBACK TO one_table")
            connection.executemany(_INSERTS[table], [list(map(_storable, values)) for values in many])
        connection.execute("RELEASE one_table")


def _storable(value: Any) -> Any:
    """Return a value as SQLite can hold it: no half of a surrogate pair, no integer of more than 64 bits."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
