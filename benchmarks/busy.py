"""What a request costs in a server whose threads are busy: of gunicorn under each peer, all of them in turn."""

from __future__ import annotations

import contextlib
import pathlib
import time
import uuid
from typing import NamedTuple, Sequence

from benchmarks.figures import BUSY, TRACED, Notes, Plan, Samples
from benchmarks.peers import Peer
from benchmarks.processes import PeerError, endpoint, noted
from benchmarks.servers import Server, load, processes_of, serving

THREADS = 4
TITLE = f"{THREADS} threads"
OPTIONS = ("--workers=1", f"--threads={THREADS}", "--keep-alive=20")
# Seconds in which what a peer sends once a second is sent.
SETTLED = 1.5


class Slice(NamedTuple):
    """Requests that a server has answered; what they cost is known from `settled` on, a time of `time.monotonic()`.

    `used` is the CPU time of the server before them, in nanoseconds.
    """

    server: Server
    used: int
    answered: int
    settled: float


def measure(
    framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples, notes: Notes
) -> None:
    """Measure `plan.busy` slices of each peer. A peer that breaks is noted and left out."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(endpoint(folder))
        running: list[tuple[Peer, Server]] = []
        for peer in peers:
            with noted(notes, peer, BUSY):
                starting = serving(peer, framework, place, str(uuid.uuid4()), peer.hurried, OPTIONS)
                server = stack.enter_context(starting)
                # For the caches.
                load(server.port, plan.short, THREADS)
                running.append((peer, server))
        pending: dict[str, Slice] = {}
        for number in range(plan.busy):
            able = [(peer, server) for peer, server in running if (peer.name, BUSY) not in notes]
            # A peer's neighbours in time are others in each round.
            shift = number % max(len(able), 1)
            for peer, server in able[shift:] + able[:shift]:
                with noted(notes, peer, BUSY):
                    if peer.name in pending:
                        samples[peer.name, TRACED, "cpu"].append(cost(pending.pop(peer.name)))
                    pending[peer.name] = ask(server, plan.short)
        for peer, _ in running:
            if peer.name in pending:
                with noted(notes, peer, BUSY):
                    samples[peer.name, TRACED, "cpu"].append(cost(pending[peer.name]))


def ask(server: Server, seconds: float) -> Slice:
    """Make requests to a server; raises PeerError."""
    used = cpu_time(server)
    answered = load(server.port, seconds, THREADS)
    return Slice(server, used, answered, time.monotonic() + SETTLED)


def cost(ended: Slice) -> float:
    """Return the microseconds of CPU time that a request took, as soon as that is settled; raises PeerError."""
    time.sleep(max(ended.settled - time.monotonic(), 0))
    return (cpu_time(ended.server) - ended.used) / ended.answered / 1000


def cpu_time(server: Server) -> int:
    """Return the nanoseconds of CPU time of all processes of a server; raises PeerError."""
    try:
        # What clock_getcpuclockid(3) returns on Linux.
        used = [time.clock_gettime_ns(~pid << 3 | 2) for pid in processes_of(server.process.pid)]
    except OSError as error:
        raise PeerError(f"the system does not tell the CPU time of its processes: {error}") from error
    if not used:
        raise PeerError("it has no processes, as far as the system tells")
    return sum(used)
