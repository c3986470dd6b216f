"""What a request costs in a server whose threads are busy: of gunicorn under each peer, all of them in turn."""

from __future__ import annotations

import contextlib
import pathlib
import time
import uuid
from typing import Iterator, Sequence

from benchmarks.figures import BUSY, TRACED, Notes, Plan, Samples
from benchmarks.peers import Peer
from benchmarks.processes import PeerError, endpoint
from benchmarks.servers import Server, load, processes_of, serving

THREADS = 4
TITLE = f"{THREADS} threads"
OPTIONS = ("--workers=1", f"--threads={THREADS}", "--keep-alive=20")
# Seconds in which what a peer sends once a second is sent.
SETTLED = 1.5


class Slice:
    """Some requests to a server; what they cost is known from `settled` on, a time of `time.monotonic()`."""

    def __init__(self, peer: Peer, server: Server, seconds: float) -> None:
        self.peer = peer
        self._session = server.process.pid
        self._used = cpu_time(self._session)
        self._answered = load(server.port, seconds, THREADS)
        self.settled = time.monotonic() + SETTLED

    def cost(self) -> float:
        """Return the microseconds of CPU time that a request took."""
        return (cpu_time(self._session) - self._used) / self._answered / 1000


def measure(
    framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples, notes: Notes
) -> None:
    """Measure `plan.busy` slices of each peer. A peer that breaks is noted and left out."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(endpoint(folder))
        running: list[tuple[Peer, Server]] = []
        for peer in peers:
            with noted(peer, notes):
                starting = serving(peer, framework, place, str(uuid.uuid4()), peer.hurried, OPTIONS)
                running.append((peer, stack.enter_context(starting)))
        pending: list[Slice] = []
        for number in range(-1, plan.busy):
            able = [(peer, server) for peer, server in running if (peer.name, BUSY) not in notes]
            # A peer's neighbours in time are others in each round.
            shift = number % max(len(able), 1)
            for peer, server in able[shift:] + able[:shift]:
                # What it had has to be settled before it gets more.
                while any(ended.peer is peer for ended in pending):
                    keep(pending.pop(0), samples)
                with noted(peer, notes):
                    ended = Slice(peer, server, plan.short)
                    # The first requests are for the caches.
                    pending += [ended] if number >= 0 else []
        for ended in pending:
            keep(ended, samples)


@contextlib.contextmanager
def noted(peer: Peer, notes: Notes) -> Iterator[None]:
    """Note what keeps a peer from being measured."""
    try:
        yield
    except (OSError, PeerError) as error:
        notes[peer.name, BUSY] = str(error)


def keep(ended: Slice, samples: Samples) -> None:
    """Keep what a slice cost, as soon as that is settled."""
    time.sleep(max(ended.settled - time.monotonic(), 0))
    samples[ended.peer.name, TRACED, "cpu"].append(ended.cost())


def cpu_time(session: int) -> int:
    """Return the nanoseconds of CPU time of all processes of a session; OSError where the system does not tell."""
    # What clock_getcpuclockid(3) returns on Linux.
    return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in processes_of(session))
