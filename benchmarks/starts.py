"""What a start costs: an empty program, the first response of a server, and the memory of its processes."""

from __future__ import annotations

import pathlib
import subprocess
import time
import uuid
from typing import Sequence

from benchmarks import environments
from benchmarks.figures import STARTS, TRACED, Notes, Plan, Samples
from benchmarks.peers import BASELINE, Peer
from benchmarks.processes import PeerError, Place, command, endpoint, noted
from benchmarks.servers import count, get, processes_of, serving

PROGRAMS_PER_SERVER = 5
# Enough that both workers have their share, and have sent it.
REQUESTS = 300
PATIENCE = 20.0


def measure(
    framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples, notes: Notes
) -> None:
    """Start an empty program and gunicorn with two workers under each peer, in turn."""
    with endpoint(folder) as place:
        for _ in range(plan.starts * PROGRAMS_PER_SERVER):
            for peer in peers:
                # A peer that is wired into applications has nothing to do with other programs.
                if peer.launcher or peer.name == BASELINE:
                    with noted(notes, peer, STARTS):
                        start_program(peer, place, samples)
        for _ in range(plan.starts):
            for peer in peers:
                with noted(notes, peer, STARTS):
                    start_server(peer, framework, place, samples)


def start_program(peer: Peer, place: Place, samples: Samples) -> None:
    """Measure the seconds that an empty Python program takes; raises PeerError."""
    env = environments.environment(peer, "", {}, place.names(str(uuid.uuid4())))
    words = command(peer, "python", "-c", "pass")
    began = time.perf_counter()
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    taken = time.perf_counter() - began
    if done.returncode:
        raise PeerError(f"an empty program ends with {done.returncode}")
    samples[peer.name, TRACED, "program"].append(taken)


def start_server(peer: Peer, framework: str, place: Place, samples: Samples) -> None:
    """Measure the seconds to gunicorn's first response, then the MiB of all its processes; raises PeerError."""
    key = str(uuid.uuid4())
    with serving(peer, framework, place, key, peer.hurried) as server:
        samples[peer.name, TRACED, "first"].append(server.first)
        for _ in range(REQUESTS):
            get(server.port)
        time.sleep(0.0 if peer.sends else peer.settle)
        count(place, key, REQUESTS if peer.sends else 0, PATIENCE)
        mebibytes = memory(processes_of(server.process.pid))
    if mebibytes is not None:
        samples[peer.name, TRACED, "memory"].append(mebibytes)


def memory(pids: Sequence[int]) -> float | None:
    """Return the MiB of processes, shared pages counted once (PSS); None where the system does not tell."""
    kilobytes = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                kilobytes += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except (OSError, StopIteration):
            return None
    return kilobytes / 1024 if kilobytes else None
