"""Segments of the spool: files of unsent lines that outlive the process that wrote them, and the like in memory.

A process holds the lock (`flock`) of each segment that it uses. One whose lock is free is nobody's: its process is gone
or has let go of it, and whoever comes next takes it over. A segment starts with the offset up to which it has been
delivered, so that nothing is sent twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from typing import NamedTuple

from . import guard
from .directories import make_directory

SEGMENT_SIZE = 1 << 20
# A file that is larger was not written here: it is not even read.
_LARGEST = 2 * SEGMENT_SIZE
_HEADER = 16
# More than a line has.
_LINE = 1 << 17
# Seconds that the process which made a file has to lock it.
_BEGINNING = 60.0
_SUFFIX = ".lines"
# Not to follow, not to hand on to other programs, and not to wait: a name may stand for anything.
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Segment:
    """A file of lines that this process holds the lock of.

    `sent` and `size` are offsets in bytes: what is before `sent` was delivered, `size` is the end of the last line.
    Names sort by age; `born` is the time of its creation here, in seconds since 1970.
    """

    __slots__ = ("born", "fd", "path", "sent", "size")

    def __init__(self, fd: int, path: str, sent: int, size: int) -> None:
        self.fd = fd
        self.path = path
        self.sent = sent
        self.size = size
        self.born = time.time()

    @property
    def name(self) -> str:
        """The name of the file."""
        return os.path.basename(self.path)

    def append(self, line: bytes) -> None:
        """Write a whole line or nothing; OSError when the disk does not take it."""
        written = os.pwrite(self.fd, line, self.size)
        if written != len(line):
            self._write_rest(line, written)
        self.size += len(line)

    def _write_rest(self, line: bytes, written: int) -> None:
        try:
            # This is what says why the disk took a part.
            while written < len(line):
                written += os.pwrite(self.fd, line[written:], self.size + written)
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise

    def read(self, end: int) -> bytes:
        """Return the unsent lines before the offset `end`; OSError when the disk does not give them."""
        return os.pread(self.fd, end - self.sent, self.sent)

    def mark(self, sent: int) -> None:
        """Note that everything before the offset `sent` was delivered; OSError when the disk does not take the note."""
        self.sent = sent
        self.note(sent)

    def note(self, sent: int) -> None:
        """Write `sent` to the file alone, for whoever takes it over; OSError as from `mark`."""
        os.pwrite(self.fd, b"%015d\n" % sent, 0)

    def clear(self) -> None:
        """Forget all lines, which were delivered; OSError as from `mark`.

        Marked first, for that is quicker than to cut, and a kill in between would send them again. Whoever takes the
        file over after the cut finds an offset beyond its end.
        """
        self.mark(self.size)
        os.ftruncate(self.fd, _HEADER)
        self.size = _HEADER
        self.mark(_HEADER)

    def unsent(self) -> int:
        """Return how many lines were not delivered, 0 when that cannot be read."""
        try:
            return self.read(self.size).count(b"\n")
        except OSError:
            return 0

    def age(self) -> float:
        """Return how many seconds ago it was written to, 0 when that is not known."""
        try:
            return time.time() - os.fstat(self.fd).st_mtime
        except OSError:
            return 0.0

    def outlives(self) -> bool:
        """Tell whether another process will find it: not when somebody removed the file."""
        try:
            return os.fstat(self.fd).st_nlink > 0
        except OSError:
            return False

    def close(self, *, delete: bool) -> None:
        """Give up the lock; `delete` removes the file first, so that nobody takes it over in between."""
        if self.fd < 0:
            return
        if delete:
            self.unlink()
        fd, self.fd = self.fd, -1
        os.close(fd)

    def unlink(self) -> None:
        """Remove the file; its lines can still be read."""
        with suppress(OSError):
            os.unlink(self.path)


class MemorySegment(Segment):
    """The same without a file, for when no disk takes the lines. It needs no file descriptor either."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        super().__init__(-1, f"{time.time_ns():020d}", 0, 0)
        self._lines = bytearray()

    def append(self, line: bytes) -> None:
        self._lines += line
        self.size += len(line)

    def read(self, end: int) -> bytes:
        return bytes(self._lines[self.sent : end])

    def note(self, sent: int) -> None:
        """Do nothing: nobody takes over what is in memory."""

    def clear(self) -> None:
        self._lines.clear()
        self.sent = self.size = 0

    def age(self) -> float:
        return time.time() - self.born

    def outlives(self) -> bool:
        return False

    def unlink(self) -> None:
        pass


def open_segment(directory: str | None) -> Segment:
    """Return an empty segment: in a directory, else in memory, where the disk does not take it or knows no locks."""
    if directory is None:
        return MemorySegment()
    try:
        try:
            return _create(directory)
        except FileNotFoundError:
            # Somebody has removed the directory.
            make_directory(directory)
            return _create(directory)
    except OSError as error:
        # The disk is tried again with the next segment.
        say_memory(error)
        return MemorySegment()


def say_memory(error: OSError) -> None:
    """Say that there are lines in memory only, once for each kind of error."""
    guard.warn(f"spool{error.errno}", f"unsent telemetry is kept in memory only: {error.strerror or error}")


def _create(directory: str) -> Segment:
    path = os.path.join(directory, f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}")
    segment = Segment(os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600), path, _HEADER, _HEADER)
    try:
        # Whoever looks for segments leaves it alone while it has no header.
        fcntl.flock(segment.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.mark(_HEADER)
    except OSError:
        segment.close(delete=True)
        raise
    return segment


def take_over(path: str) -> Segment | None:
    """Return a segment that nobody uses, locked; None when it is in use, gone, empty or none."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if found.st_size == 0 and time.time() - found.st_mtime < _BEGINNING:
            # Its process is about to lock it.
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(fd)
        # One that was delivered in between is gone; one with a second name is somebody's own.
        if found.st_nlink != 1 or not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        segment = Segment(fd, path, _HEADER, _HEADER)
        if found.st_size > _LARGEST:
            guard.warn("large", f"{segment.name} in the spool is too large to be one of ours and was removed")
        elif found.st_size > _HEADER:
            segment.sent = min(_sent_offset(fd), found.st_size)
            segment.size = _end_of_lines(fd, segment.sent, found.st_size)
    except OSError:
        os.close(fd)
        return None
    if segment.sent < segment.size:
        return segment
    segment.close(delete=True)
    return None


def _sent_offset(fd: int) -> int:
    header = os.pread(fd, _HEADER, 0)
    digits, newline = header[:-1], header[-1:]
    return max(int(digits), _HEADER) if newline == b"\n" and digits.isdigit() else _HEADER


def _end_of_lines(fd: int, start: int, size: int) -> int:
    """Return the offset behind the last whole line: its writer may have been killed in the middle of one."""
    for first in (max(start, size - _LINE), start):
        newline = os.pread(fd, size - first, first).rfind(b"\n")
        if newline >= 0:
            return first + newline + 1
    return start


class Listed(NamedTuple):
    """A segment in a directory, used or not: its name, and its size in bytes."""

    name: str
    size: int


def list_segments(directory: str) -> list[Listed]:
    """Return the segments in a directory, oldest first; nothing that others may have made or written."""
    listed: list[Listed] = []
    with suppress(OSError), os.scandir(directory) as entries:
        # A file system without modes shows all files alike: there they say nothing.
        refused = 0o022 if os.stat(directory).st_mode & 0o077 == 0 else 0
        for entry in entries:
            # Some are delivered and removed in between.
            with suppress(OSError):
                if not entry.name.endswith(_SUFFIX):
                    continue
                found = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                    continue
                if found.st_mode & refused:
                    guard.warn("writable", f"{entry.name} in the spool is left alone: other users may write to it")
                    continue
                # What is larger goes as soon as somebody takes it over: it must not drive out the rest before.
                listed.append(Listed(entry.name, min(found.st_size, _LARGEST)))
    return sorted(listed)


def growth(listed: list[Listed], full: int) -> int:
    """Return the bytes by which segments of other processes may grow to their `full` size, which nobody can prevent."""
    newest = {_writer(name): size for name, size in listed}
    newest.pop(os.getpid(), None)
    return sum(max(full - size, 0) for pid, size in newest.items() if _is_alive(pid))


def _writer(name: str) -> int:
    """Return the id of the process that a segment's name tells, 0 for none."""
    digits = name[: -len(_SUFFIX)].rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return pid > 0


def survey(directory: str) -> tuple[int, int]:
    """Count the unsent lines in a directory: those that nobody looks after, and those of running processes."""
    left = held = 0
    for name, _ in list_segments(directory):
        path = os.path.join(directory, name)
        segment = take_over(path)
        if segment is not None:
            left += segment.unsent()
            segment.close(delete=False)
        else:
            held += _unsent_in(path)
    return left, held


def _unsent_in(path: str) -> int:
    """Count the unsent lines of a segment in use; 0 for what is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        sent = _sent_offset(fd)
        return os.pread(fd, max(os.fstat(fd).st_size - sent, 0), sent).count(b"\n")
    except OSError:
        return 0
    finally:
        os.close(fd)
