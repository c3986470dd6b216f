"""The journal of unsent lines: files that outlive the process that wrote them.

Each process appends to a segment of its own and holds its lock (`flock`) while it lives. A segment whose lock is free
belongs to a process that is gone: whoever comes next adopts it. A segment starts with the offset up to which it has
been delivered, so that nothing is sent twice.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Callable, NamedTuple

from . import guard

SEGMENT_SIZE = 1 << 20
BATCH_SIZE = 1 << 20
# Bytes that unsent lines may take in memory where no disk takes them.
MEMORY_LIMIT = 8 << 20
# The file descriptors are the application's.
ADOPTED_AT_ONCE = 16
# The service refuses items that are older than 48 hours.
RETENTION = 47 * 3600
_HEADER = 16
_SUFFIX = ".lines"


class Segment:
    """A file of lines that this process holds the lock of. `sent` and `size` are offsets in bytes."""

    __slots__ = ("fd", "path", "sent", "size")

    def __init__(self, fd: int, path: str | None, sent: int, size: int) -> None:
        self.fd = fd
        self.path = path
        self.sent = sent
        self.size = size

    def append(self, line: bytes) -> None:
        """Write a whole line or nothing; OSError when the disk does not take it."""
        written = os.pwrite(self.fd, line, self.size)
        if written != len(line):
            os.ftruncate(self.fd, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def mark(self, sent: int) -> None:
        """Note that everything before the offset `sent` was delivered."""
        self.sent = sent
        self.note(sent)

    def note(self, sent: int) -> None:
        """Write `sent` to the file alone, for whoever adopts it."""
        os.pwrite(self.fd, b"%015d\n" % sent, 0)

    def unsent(self) -> int:
        """Return how many lines were not delivered."""
        return os.pread(self.fd, self.size - self.sent, self.sent).count(b"\n")

    def close(self, *, delete: bool) -> None:
        """Give up the lock; `delete` removes the file first, so that nobody adopts it in between."""
        if self.fd < 0:
            return
        fd, self.fd = self.fd, -1
        if delete and self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(fd)


class Batch(NamedTuple):
    """Lines to send, whole, each ending in a newline.

    `parts` are the segments that they come from, each with the offset behind its lines; `live` tells that more are
    being written behind the last.
    """

    parts: list[tuple[Segment, int]]
    lines: bytes
    live: bool


class Spool:
    """The segments of this process for one destination; `limit` bytes bound them, the oldest are dropped first."""

    def __init__(self, directory: str | None, limit: int) -> None:
        # Whether somebody waits for a line, and how to tell; set by the sender.
        self.waiting = False
        self.wake: Callable[[], object] = bool
        self._directory = directory
        self._limit = limit
        self._lock = threading.Lock()
        self._writing: Segment | None = None
        self._waiting: deque[Segment] = deque()
        self.dropped = 0

    def append(self, line: bytes) -> None:
        """Add a line. A disk that does not take it is replaced by memory; memory that is full drops the oldest."""
        with self._lock:
            segment = self._writing
            if segment is None or segment.size + len(line) > SEGMENT_SIZE:
                segment = self._roll()
            try:
                segment.append(line)
            except OSError as error:
                _say_memory(error)
                self._roll(on_disk=False).append(line)
        if self.waiting:
            self.waiting = False
            self.wake()

    def take(self) -> Batch | None:
        """Return the oldest unsent lines, None when there are none. Only the sender calls this."""
        parts: list[tuple[Segment, int]] = []
        chunks: list[bytes] = []
        room = BATCH_SIZE
        with self._lock:
            for segment in self._all():
                rest = segment.size - segment.sent
                lines = os.pread(segment.fd, min(room, rest), segment.sent)
                end = lines.rfind(b"\n") + 1
                if end:
                    parts.append((segment, segment.sent + end))
                    chunks.append(lines[:end])
                    room -= end
                elif segment is not self._writing and rest <= room:
                    # All is sent, or what remains is a line that its writer was killed in.
                    self._waiting.remove(segment)
                    segment.close(delete=True)
                if end < rest and rest > room:
                    break
            live = bool(parts) and parts[-1][0] is self._writing
        return Batch(parts, b"".join(chunks), live) if parts else None

    def done(self, batch: Batch) -> None:
        """Note that a batch needs no more sending."""
        with self._lock:
            for segment, end in batch.parts:
                if segment.fd < 0:
                    continue
                if segment is self._writing and end == segment.size:
                    # Nothing is left in it: what was sent must not count against the limit. Cut before it is marked:
                    # whoever adopts it in between finds an offset beyond its end.
                    os.ftruncate(segment.fd, _HEADER)
                    segment.size = end = _HEADER
                segment.mark(end)
                if segment is not self._writing and end == segment.size:
                    self._waiting.remove(segment)
                    segment.close(delete=True)

    def presume(self, batch: Batch, *, delivered: bool) -> None:
        """Note for whoever adopts the segments that a batch is likely delivered, or take that back.

        It holds while a batch is handed over and its answer is on its way: of a process that is killed then nobody
        learns the answer, and most often it would have been yes.
        """
        with self._lock:
            for segment, end in batch.parts:
                if segment.fd >= 0:
                    segment.note(end if delivered else segment.sent)

    def adopt(self) -> bool:
        """Take over segments of processes that are gone, and tell whether there may be more.

        A few at a time: each costs a file descriptor.
        """
        if self._directory is None:
            return False
        if len(self._waiting) >= ADOPTED_AT_ONCE:
            return True
        adopted: list[Segment] = []
        for name in _names(self._directory):
            segment = _lock_segment(os.path.join(self._directory, name))
            if segment is not None:
                adopted.append(segment)
                if len(adopted) == ADOPTED_AT_ONCE:
                    break
        with self._lock:
            self._waiting.extendleft(reversed(adopted))
        return len(adopted) == ADOPTED_AT_ONCE

    def forget_dropped(self) -> int:
        """Return how many lines were dropped, and count from zero again."""
        with self._lock:
            dropped, self.dropped = self.dropped, 0
        return dropped

    def close(self) -> None:
        """Give up all segments; those with unsent lines stay on disk for whoever adopts them."""
        with self._lock:
            for segment in self._all():
                if segment.path is None:
                    self.dropped += segment.unsent()
                segment.close(delete=segment.sent >= segment.size)
            self._waiting.clear()
            self._writing = None

    def abandon(self) -> None:
        """Close what a forked child inherited: the lock of a segment lives as long as any descriptor of it.

        Takes no lock: in the child the thread that may have held it does not exist.
        """
        for segment in self._all():
            segment.close(delete=False)

    def _all(self) -> list[Segment]:
        return [*self._waiting, *([self._writing] if self._writing is not None else [])]

    def _roll(self, *, on_disk: bool = True) -> Segment:
        """Begin a new segment for writing; the full one waits for the sender."""
        if self._writing is not None:
            self._waiting.append(self._writing)
            self._writing = None
        self._keep_within_limit()
        try:
            self._writing = _create(self._directory if on_disk else None)
        except OSError as error:
            # The disk is tried again with the next segment.
            _say_memory(error)
            self._writing = _create(None)
        return self._writing

    def _keep_within_limit(self) -> None:
        memory = sum(segment.size for segment in self._waiting if segment.path is None)
        # Segments of other processes count too: the bound is that of the directory.
        total = memory + (_total_size(self._directory) if self._directory is not None else 0)
        for segment in list(self._waiting):
            in_memory = segment.path is None
            if total + SEGMENT_SIZE > self._limit or (in_memory and memory + SEGMENT_SIZE > MEMORY_LIMIT):
                total -= segment.size
                memory -= segment.size * in_memory
                self.dropped += segment.unsent()
                self._waiting.remove(segment)
                segment.close(delete=True)


def _say_memory(error: OSError) -> None:
    # Once for each kind of error.
    guard.warn(f"spool{error.errno}", f"unsent telemetry is kept in memory only: {error.strerror or error}")


def private_directory(chosen: str | None) -> str | None:
    """Return a directory that only this user can read, created where needed; None when none can be had.

    `chosen` is tried alone when given; else the user's state directory, then a directory of this user's under the
    system's temporary directory. A directory of somebody else, or a link, is never used. One that `chosen` finds
    keeps its mode: it may serve other purposes, and what is below it is private.
    """
    temporary = os.path.join(tempfile.gettempdir(), f"autotrace-{os.geteuid()}")
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    # Without HOME and an entry in the user database `~` stays what it is: a name in the application's directory.
    candidates = (
        [chosen] if chosen else [path for path in (os.path.join(state, "autotrace"), temporary) if path[0] == "/"]
    )
    reasons: list[str] = []
    for path in candidates:
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            _make_private(path, keep_mode=path == chosen)
            return path
        except OSError as error:
            reasons.append(f"{path}: {error.strerror or error}")
    guard.warn("no spool directory", f"unsent telemetry is kept in memory only ({'; '.join(reasons)})")
    return None


def _make_private(path: str, *, keep_mode: bool = False) -> None:
    found = os.lstat(path)
    # A directory that was chosen may be root's, as volumes of containers are: what is below it is this user's own.
    owners = (os.geteuid(), 0) if keep_mode else (os.geteuid(),)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise OSError(errno.EPERM, "it is a link or belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077 and not keep_mode:
        os.chmod(path, 0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def open_spool(base: str | None, destination: str, limit: int) -> Spool:
    """Return the spool of a destination (any text that is a file name) below `base`; None keeps it in memory."""
    directory = None
    if base is not None:
        directory = os.path.join(base, destination)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            _make_private(directory)
        except OSError as error:
            guard.warn("spool directory", f"unsent telemetry is kept in memory only: {error.strerror or error}")
            directory = None
    return Spool(directory, limit)


def _create(directory: str | None) -> Segment:
    if directory is None:
        # An anonymous file is memory that the same code reads and writes, and that vanishes with the process.
        fd = os.memfd_create("autotrace") if hasattr(os, "memfd_create") else _unlinked_file()
        path = None
    else:
        return _create_file(os.path.join(directory, f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"))
    segment = Segment(fd, path, _HEADER, _HEADER)
    segment.mark(_HEADER)
    return segment


def _create_file(path: str) -> Segment:
    """Create a segment that has its name only once it is locked and whole: until then nobody may adopt it."""
    unnamed = path + ".new"
    fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    segment = Segment(fd, unnamed, _HEADER, _HEADER)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.mark(_HEADER)
        os.rename(unnamed, path)
    except OSError:
        segment.close(delete=True)
        raise
    segment.path = path
    return segment


def _unlinked_file() -> int:
    fd, path = tempfile.mkstemp(prefix="autotrace-")
    os.unlink(path)
    return fd


def _names(directory: str) -> list[str]:
    """Return the names of the segments in a directory, oldest first."""
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))
    except OSError:
        return []


def survey(directory: str) -> tuple[int, int]:
    """Count the unsent lines in a directory: those that nobody looks after, and those of running processes."""
    left = held = 0
    for name in _names(directory):
        path = os.path.join(directory, name)
        segment = _lock_segment(path)
        if segment is not None:
            left += segment.unsent()
            segment.close(delete=False)
        else:
            held += _unsent_in(path)
    return left, held


def _unsent_in(path: str) -> int:
    """Count the unsent lines of a segment in use; 0 for what is gone or is no segment of this user's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return 0
        sent = _sent_offset(fd)
        return os.pread(fd, max(found.st_size - sent, 0), sent).count(b"\n")
    except OSError:
        return 0
    finally:
        os.close(fd)


def _total_size(directory: str) -> int:
    total = 0
    for name in _names(directory):
        # Some are delivered and removed in between.
        with suppress(OSError):
            total += os.lstat(os.path.join(directory, name)).st_size
    return total


def _lock_segment(path: str) -> Segment | None:
    """Return the segment when its lock is free; None when it is in use, gone, not ours or too old."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(fd)
        if found.st_nlink == 0 or not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(errno.EPERM, path)
        size = max(found.st_size, _HEADER)
        segment = Segment(fd, path, min(_sent_offset(fd), size), size)
    except OSError:
        os.close(fd)
        return None
    if time.time() - found.st_mtime > RETENTION:
        guard.warn("expired", f"{segment.unsent()} unsent items or more are too old for the service and dropped")
        segment.close(delete=True)
        return None
    return segment


def _sent_offset(fd: int) -> int:
    header = os.pread(fd, _HEADER, 0)
    digits, newline = header[:-1], header[-1:]
    return max(int(digits), _HEADER) if newline == b"\n" and digits.isdigit() else _HEADER
