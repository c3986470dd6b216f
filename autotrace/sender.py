"""The thread that empties the spool: one a process and destination, started by the first finished item."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Callable, NamedTuple, Protocol

from . import guard, imports
from .current import SENDING
from .spool import BATCH_SIZE, Batch, Spool

# Seconds from one post to the next: under load a batch gathers in between.
INTERVAL = 1.0
# Seconds that the first item of a quiet time waits for those of the same burst.
GATHER = 0.05
# Seconds between looks for segments of processes that are gone.
ADOPT_INTERVAL = 10.0
# Seconds that an answer is waited for. Long: who gives up on one that still comes sends the same once more.
ANSWER_DEADLINE = 60.0
FIRST_DELAY, LONGEST_DELAY = 2.0, 600.0
# Not the random numbers of the application, which may seed them: workers would come back all at once.
_jitter = random.SystemRandom()


class Answer(NamedTuple):
    """What became of a batch: `delivered` needs no more sending, else it is sent again after `retry_after` seconds.

    `again` are lines of a delivered batch that the endpoint wants once more; None as `retry_after` means that the
    sender's own back-off decides.
    """

    delivered: bool
    again: tuple[bytes, ...] = ()
    retry_after: float | None = None


class Transport(Protocol):
    """What posts lines. Its methods are called by one thread at a time."""

    def post(self, lines: bytes, seconds: float, handed: Callable[[bool], object]) -> Answer:
        """Post wire lines within a number of seconds; see `deliver` for `handed`."""

    def close(self) -> None:
        """Close what it holds open."""

    def abandon(self) -> None:
        """Let go of what a forked child inherited, without any lock: their holder does not exist there."""


def deliver(spool: Spool, transport: Transport, batch: Batch, seconds: float, *, well: bool) -> Answer:
    """Post a batch within `seconds` and note in the spool what became of it.

    `well` tells that the last post was answered. Then the batch is presumed delivered from the moment when it is
    handed over until the answer, or the lack of one: a process that is killed in between leaves nothing twice.
    """

    def handed(yes: bool) -> None:
        if well:
            spool.presume(batch, delivered=yes)

    answer = transport.post(batch.lines, seconds, handed)
    if well and (answer.again or not answer.delivered):
        spool.presume(batch, delivered=False)
    if answer.delivered:
        # In this order a kill in between repeats items and loses none.
        for line in answer.again:
            spool.append(line)
        spool.done(batch)
    return answer


class Journal:
    """A spool and the thread that empties it, both of the process that made them."""

    def __init__(self, spool: Spool, transport: Transport) -> None:
        self.pid = os.getpid()
        self.spool = spool
        self.transport = transport
        self._wake = threading.Event()
        # The first line of a process starts the thread; it then tells when it waits for more.
        spool.waiting, spool.wake = True, self._start
        self._stopping = threading.Event()
        # Set to skip the wait that gathers a batch; drains are numbered so that `drain` can wait for its own.
        self._hurry = threading.Event()
        self._drained = threading.Condition()
        self._wanted = self._done = 0
        # Guards the thread and what is said to it.
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        # Waited for in place of a join, which raises under eventlet when the time is up.
        self._ended = threading.Event()
        self._pausing = self._forks = False
        # Whether lines may be there that no thread looks after.
        self._unsent = False
        self._failures = 0
        # Until when not to post: all in all, and by the endpoint's own word.
        self._next_post = self._barred = 0.0
        self._last_post = -INTERVAL
        # Seconds that the last post took which was answered.
        self._took = 0.0
        self._next_adopt = 0.0
        self._deadline: float | None = None

    def drain(self, seconds: float) -> None:
        """Send what can be sent now, and wait for it at most `seconds`."""
        if self.pid != os.getpid() or self._thread is None:
            return
        self._hasten(seconds)
        with self._drained:
            self._wanted += 1
            number = self._wanted
            self._hurry.set()
            self._wake.set()
            self._drained.wait_for(lambda: self._done >= number, seconds)
        self._deadline = None

    def flush(self, seconds: float) -> None:
        """Send what can be sent within `seconds`, then give up the segments; what is left stays in the spool."""
        if self.pid != os.getpid():
            return
        self._hasten(seconds)
        with self._starting:
            # From now on no thread is started, which would drain beside this one.
            self._stopping.set()
            thread = self._thread
        self._hurry.set()
        self._wake.set()
        if thread is not None:
            self._ended.wait(seconds)
        elif self._unsent:
            # A process at its end starts no thread any more.
            self._guarded_drain()
        if thread is None or self._ended.is_set():
            self.transport.close()
            self.spool.close()
        else:
            self.spool.count_lost()
        self._say_lost(at_end=True)

    def _hasten(self, seconds: float) -> None:
        """Have all sent within `seconds`: one more try at once, but not against the endpoint's own word."""
        self._deadline = time.monotonic() + seconds
        self._next_post = self._barred

    def pause(self, seconds: float) -> threading.Thread | None:
        """End the thread within `seconds`, before this process forks, and return it; None where there is none.

        It does not end while it posts: whether the endpoint has taken what was sent would never be known.
        """
        with self._starting:
            thread = self._thread
            if thread is not None and thread.native_id == threading.get_native_id():
                # It is a greenlet of this thread.
                return None
            self._pausing = True
        if thread is None:
            return None
        self._hurry.set()
        self._wake.set()
        thread.join(seconds)
        return thread

    def resume(self) -> None:
        """Start the thread again where there is something to send; else the next line does."""
        with self._starting:
            self._pausing, self._forks = False, True
            needed = self._thread is None and self._unsent
        if self._done >= self._wanted:
            self._hurry.clear()
        if needed:
            self._start()

    def _start(self) -> None:
        with self._starting:
            self._unsent = True
            if self._thread is None and not self._pausing and not self._stopping.is_set():
                self._ended.clear()
                thread = threading.Thread(target=self._run, name="autotrace-sender", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # No more threads for this user or container now; the next item tries again.
                    guard.failed("starting to send", error)
                    self.spool.waiting, self.spool.wake = True, self._start
                    return
                self.spool.wake = self._awake
                self._thread = thread
        self._wake.set()

    def _awake(self) -> None:
        # In the middle of its wait the thread itself may run a finalizer that logs: it looks again by itself.
        if self._thread is None or self._thread.ident != threading.get_ident():
            self._wake.set()

    def _run(self) -> None:
        try:
            with imports.whole():
                # The first look-up of a host name does.
                import encodings.idna  # noqa: F401
            self._work()
        finally:
            self._ended.set()
        if self.pid != os.getpid():
            # A greenlet lives on in a forked child, where `threading` has forgotten it and would complain of its end.
            threading.Event().wait()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self.spool.waiting = True
            # Looked at again after announcing it: a line that came in between has woken nobody.
            self._unsent = self.spool.has_lines()
            if not self._unsent and not self._forks:
                self._wake.wait(self._until_adoption())
            if self._paused():
                return
            self.spool.waiting = False
            self._wake.clear()
            self._hurry.wait(self._until_post())
            if self._paused():
                return
            self._hurry.clear()
            number = self._wanted
            self._guarded_drain()
            if self.pid != os.getpid():
                return
            self._tell_drained(number)
        self._guarded_drain()

    def _paused(self) -> bool:
        """Tell whether the thread has to end here and now; the next line starts another one."""
        if self.pid != os.getpid():
            return True
        with self._starting:
            # A process that forks has a thread only while there is something to send.
            ends = self._pausing or (self._forks and not self._unsent)
            if ends:
                self.spool.waiting, self.spool.wake = True, self._start
                self._unsent = self.spool.has_lines()
                ends = self._pausing or not self._unsent
            if ends:
                self._thread = None
                self._tell_drained(self._wanted)
            return ends

    def _tell_drained(self, number: int) -> None:
        with self._drained:
            self._done = number
            self._drained.notify_all()

    def _until_adoption(self) -> float:
        return max(self._next_adopt - time.monotonic(), 0.1)

    def _until_post(self) -> float:
        # Now and then the spool is looked after, however long nothing may be sent.
        until = max(self._last_post + INTERVAL, self._next_post) - time.monotonic()
        return max(GATHER, min(until, ADOPT_INTERVAL))

    def _guarded_drain(self) -> None:
        outer = SENDING.get()
        SENDING.set(True)
        try:
            self._drain()
        except Exception as error:
            guard.failed("sending telemetry", error)
            self._back_off(None)
        finally:
            SENDING.set(outer)
            self.spool.keep()

    def _drain(self) -> None:
        more = self.spool.behind or time.monotonic() >= self._next_adopt
        while True:
            if more and not self._stopping.is_set():
                self._next_adopt = time.monotonic() + ADOPT_INTERVAL
                more = self.spool.adopt()
            batch = self.spool.take() if self._may_post() and not self._pausing else None
            if batch is None:
                break
            started = time.monotonic()
            answer = deliver(self.spool, self.transport, batch, self._seconds_left(), well=self._failures == 0)
            self._last_post = time.monotonic()
            if not answer.delivered:
                self._back_off(answer.retry_after)
                break
            self._failures, self._took = 0, time.monotonic() - started
            if answer.again:
                self._back_off(answer.retry_after)
                break
            if batch.live and not more and len(batch.lines) < BATCH_SIZE // 2 and self._deadline is None:
                # What came in meanwhile waits for the next round: a busy server would never see the end of this one,
                # in ever smaller batches.
                break
        self._say_lost()

    def _say_lost(self, *, at_end: bool = False) -> None:
        dropped = self.spool.forget_dropped()
        if dropped:
            guard.lost("dropped", "no room for unsent telemetry: the {count} oldest items were dropped", dropped)
        guard.say_lost(at_end=at_end)

    def _may_post(self) -> bool:
        now = time.monotonic()
        # What has no answer by the deadline would be sent once more by the next start: better not begun.
        in_time = self._deadline is None or now + self._took < self._deadline
        return in_time and now >= self._next_post

    def _seconds_left(self) -> float:
        return ANSWER_DEADLINE if self._deadline is None else max(self._deadline - time.monotonic(), 0.1)

    def _back_off(self, retry_after: float | None) -> None:
        self._failures += 1
        if retry_after is None:
            delay = min(FIRST_DELAY * 2 ** min(self._failures - 1, 20), LONGEST_DELAY)
            self._next_post = time.monotonic() + _jitter.uniform(delay / 2, delay)
        else:
            # Later than asked for, never sooner: the others were told the same.
            self._barred = time.monotonic() + retry_after + _jitter.uniform(0, min(retry_after / 10, 10.0))
            self._next_post = self._barred
