"""The spool: unsent lines in segments, bounded in size and age, and shared with the processes beside and after.

One segment is being written. Full ones are held until they are sent, the oldest few of them; the rest is let go of.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Callable, NamedTuple

from . import guard
from .directories import make_directory
from .segments import SEGMENT_SIZE, Segment, growth, list_segments, open_segment, say_memory, take_over

BATCH_SIZE = 1 << 20
# Bytes that unsent lines may take in memory where no disk takes them.
MEMORY_LIMIT = 8 << 20
# Full segments that are held open at once: the file descriptors are the application's.
HELD_MOST = 8
# The service refuses items that are older than 48 hours.
RETENTION = 47 * 3600
# Seconds after which lines go to a new segment: one with lines of yesterday and of today could not expire. In memory
# sooner, for the disk may be back.
ROTATION, MEMORY_ROTATION = 1800, 60


class Batch(NamedTuple):
    """Lines to send, whole, each ending in a newline.

    `parts` are the segments that they come from, each with the offset behind its lines; `live` tells that more are
    being written behind the last.
    """

    parts: list[tuple[Segment, int]]
    lines: bytes
    live: bool


class Spool:
    """The segments of this process for one destination.

    `limit` bytes bound the directory, all processes together; the oldest lines are dropped first. Requests call
    `append`, everything else is the sender's.
    """

    def __init__(self, directory: str | None, limit: int) -> None:
        # Whether somebody waits for a line, and how to tell; set by the sender.
        self.waiting = False
        self.wake: Callable[[], object] = bool
        self.dropped = 0
        # Whether there are segments on disk that are older than the one being written.
        self.behind = False
        self._directory = directory
        self._limit = limit
        # Each process of a server has one, and they share the limit.
        self._segment_size = max(min(limit // 16, SEGMENT_SIZE), SEGMENT_SIZE // 16)
        # One that knows its thread: a signal or a finalizer may run code of the application that logs, at any place.
        self._lock = threading.RLock()
        # Lines that came while their own thread held the lock.
        self._between: deque[bytes] = deque()
        self._writing: Segment | None = None
        # Oldest first.
        self._held: list[Segment] = []
        # On its way to the endpoint: not let go of, and counted as dropped only if it has to come back.
        self._pinned: list[Segment] = []

    def append(self, line: bytes) -> None:
        """Add a line. A disk that does not take it is replaced by memory; memory that is full drops the oldest."""
        # As conditions ask it.
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._between.append(line)
            return
        with self._lock:
            segment = self._writing
            written = -1
            if segment is not None and segment.size + len(line) <= self._segment_size:
                # A segment's `append`, without the call: every request comes here.
                try:  # noqa: SIM105 - `suppress` costs as much as the write
                    written = os.pwrite(segment.fd, line, segment.size)
                except OSError:
                    pass
            if segment is not None and written == len(line):
                segment.size += written
            else:
                self._append_slowly(line)
        if self._between:
            self._append_between()
        if self.waiting:
            self.waiting = False
            self.wake()

    def _append_between(self) -> None:
        with self._lock, suppress(IndexError):
            while True:
                self._append_slowly(self._between.popleft())

    def has_lines(self) -> bool:
        """Tell whether there is anything to send."""
        return bool(self._between) or any(segment.sent < segment.size for segment in self._all())

    def take(self) -> Batch | None:
        """Return the oldest unsent lines, None when there are none; `done` or `keep` has to follow."""
        while True:
            if self._between:
                self._append_between()
            with self._lock:
                parts = self._choose()
                self._pinned = [segment for segment, _ in parts]
                live = bool(parts) and parts[-1][0] is self._writing
            if not parts:
                return None
            lines = [self._read(*part) for part in parts]
            batch = Batch([part for part in parts if part[0] in self._pinned], b"".join(lines), live)
            if batch.lines:
                return batch
            # Somebody has cut the files, or the disk does not give them.
            self.done(batch)

    def done(self, batch: Batch) -> None:
        """Note that a batch needs no more sending."""
        with self._lock:
            for segment, end in batch.parts:
                _mark(segment, end, clear=segment is self._writing and end == segment.size)
            self._unpin()

    def keep(self) -> None:
        """Note that the batch that was taken is to be sent later, if there is one."""
        with self._lock:
            self._unpin()

    def _unpin(self) -> None:
        known = self._all()
        for segment in self._pinned:
            if segment is not self._writing and (segment.sent >= segment.size or segment not in known):
                # Delivered, or dropped while it was on its way.
                self.dropped += segment.unsent()
                self._remove(segment)
        self._pinned = []

    def presume(self, batch: Batch, *, delivered: bool) -> None:
        """Note for whoever adopts the segments that a batch is likely delivered, or take that back.

        It holds while a batch is handed over and its answer is on its way: of a process that is killed then nobody
        learns the answer, and most often it would have been yes.
        """
        with self._lock:
            for segment, end in batch.parts:
                with suppress(OSError):
                    segment.note(end if delivered else segment.sent)

    def adopt(self) -> bool:
        """Take over segments that nobody uses, oldest first, and tell whether there may be more (`behind`).

        To be called now and then: what is too old for the service is dropped, and no segment is written for long.
        """
        with self._lock:
            self._rotate()
        room = HELD_MOST - self._files_held()
        if self._directory is not None and room > 0:
            mine = {segment.name for segment in self._all()}
            for name, _ in list_segments(self._directory):
                # Held as soon as it is taken over: who makes room must not pass over the oldest.
                with self._lock:
                    segment = None if name in mine else take_over(os.path.join(self._directory, name))
                    if segment is not None:
                        self._held = sorted([*self._held, segment], key=lambda held: held.name)
                        room -= 1
                if room == 0:
                    break
        with self._lock:
            self._expire()
        self.behind = self._directory is not None and room <= 0
        return self.behind

    def forget_dropped(self) -> int:
        """Return how many lines were dropped, and count from zero again."""
        with self._lock:
            dropped, self.dropped = self.dropped, 0
        return dropped

    def count_lost(self) -> None:
        """Count the lines that end with this process as dropped."""
        with self._lock:
            ending = {segment for segment in [*self._all(), *self._pinned] if not segment.outlives()}
            self.dropped += sum(segment.unsent() for segment in ending)

    def close(self) -> None:
        """Give up all segments; those with unsent lines stay on disk for whoever adopts them."""
        self.count_lost()
        with self._lock:
            for segment in self._all():
                segment.close(delete=segment.sent >= segment.size)
            self._held, self._writing = [], None

    def abandon(self) -> None:
        """Close what a forked child inherited: the lock of a segment lives as long as any descriptor of it.

        Takes no lock: in the child the thread that may have held it does not exist.
        """
        for segment in [*self._all(), *self._pinned]:
            segment.close(delete=False)

    def _all(self) -> list[Segment]:
        writing = self._writing
        return [*self._held, writing] if writing is not None and writing not in self._held else [*self._held]

    def _choose(self) -> list[tuple[Segment, int]]:
        """Return the oldest unsent segments that make a batch, at least one, each with its end."""
        parts: list[tuple[Segment, int]] = []
        room = BATCH_SIZE
        for segment in (self.behind and self._held) or self._all():
            room -= segment.size - segment.sent
            if room < 0 and parts:
                break
            if segment.sent < segment.size:
                parts.append((segment, segment.size))
        return parts

    def _read(self, segment: Segment, end: int) -> bytes:
        try:
            lines = segment.read(end)
        except OSError as error:
            # Left to the next start, or it would keep the others from being sent.
            guard.failed("reading unsent telemetry", error)
            with self._lock:
                self._writing = None if self._writing is segment else self._writing
                self._pinned.remove(segment)
                self._remove(segment, delete=False)
            return b""
        return lines[: lines.rfind(b"\n") + 1]

    def _append_slowly(self, line: bytes) -> None:
        segment = self._writing
        if segment is None or segment.size + len(line) > self._segment_size:
            segment = self._roll()
        try:
            segment.append(line)
        except OSError:
            self._append_elsewhere(line)

    def _append_elsewhere(self, line: bytes) -> None:
        try:
            # The file may be at a limit of its own.
            self._roll().append(line)
        except OSError as error:
            say_memory(error)
            self._roll(on_disk=False).append(line)

    def _roll(self, *, on_disk: bool = True) -> Segment:
        """Begin a new segment for writing; the full one waits for the sender."""
        self._shelve()
        self._make_room()
        self._writing = open_segment(self._directory if on_disk else None)
        return self._writing

    def _shelve(self) -> None:
        """Hold the segment that was being written, or let go of it where enough are held; who has room adopts it.

        It is forgotten last: a signal handler that raises, at any place here, must leave its lines to somebody.
        """
        segment = self._writing
        if segment is None:
            return
        if segment.sent >= segment.size:
            self._remove(segment)
        elif (self.behind or self._files_held() >= HELD_MOST) and segment not in self._pinned and segment.outlives():
            self._remove(segment, delete=False)
            self.behind = True
        elif segment not in self._held:
            self._held.append(segment)
        self._writing = None

    def _files_held(self) -> int:
        return sum(segment.fd >= 0 for segment in self._held)

    def _rotate(self) -> None:
        segment = self._writing
        if segment is not None:
            longest = ROTATION if segment.outlives() else MEMORY_ROTATION
            if time.time() - segment.born > longest:
                self._shelve()

    def _expire(self) -> None:
        for segment in [segment for segment in self._held if segment.age() > RETENTION]:
            guard.lost("expired", "{count} unsent items were too old for the service and dropped", segment.unsent())
            self._remove(segment)

    def _make_room(self) -> None:
        """Drop the oldest segments where the limits leave no room for one more."""
        passing = [segment for segment in self._held if not segment.outlives()]
        memory = self._segment_size + sum(segment.size for segment in passing)
        for segment in passing:
            if memory > min(MEMORY_LIMIT, self._limit):
                memory -= segment.size
                self._drop(segment)
        if self._directory is None:
            return
        listed = list_segments(self._directory)
        total = self._segment_size + sum(size for _, size in listed) + growth(listed, self._segment_size)
        mine = {segment.name: segment for segment in self._held}
        for name, size in listed:
            if total <= self._limit:
                break
            oldest = mine.get(name) or take_over(os.path.join(self._directory, name))
            if oldest is not None:
                total -= size
                self._drop(oldest)

    def _drop(self, segment: Segment) -> None:
        if segment in self._pinned:
            segment.unlink()
            self._held.remove(segment)
        else:
            self.dropped += segment.unsent()
            self._remove(segment)

    def _remove(self, segment: Segment, *, delete: bool = True) -> None:
        self._held = [other for other in self._held if other is not segment]
        segment.close(delete=delete)


def _mark(segment: Segment, end: int, *, clear: bool) -> None:
    try:
        if clear:
            # What was sent must not count against the limit.
            segment.clear()
        else:
            segment.mark(end)
    except OSError as error:
        text = f"the disk does not take the note that telemetry was delivered: {error.strerror}"
        guard.warn(f"mark{error.errno}", f"{text}; the next start may send some again")


def open_spool(base: str | None, destination: str, limit: int) -> Spool:
    """Return the spool of a destination (any text that is a file name) below `base`; None keeps it in memory."""
    directory = None
    if base is not None:
        directory = os.path.join(base, destination)
        try:
            make_directory(directory)
        except OSError as error:
            guard.warn("spool directory", f"unsent telemetry is kept in memory only: {error.strerror or error}")
            directory = None
    return Spool(directory, limit)
