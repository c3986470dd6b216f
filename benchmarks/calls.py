"""What an outgoing call costs: the requests of an application that makes some, beside those of one that makes none."""

from __future__ import annotations

import pathlib
from statistics import median
from typing import Iterator, Mapping, NamedTuple, Sequence

from benchmarks import processes, rounds
from benchmarks.figures import TRACED, Notes, Plan, Samples, differences
from benchmarks.peers import BASELINE, Peer
from benchmarks.processes import Mode

# Calls of one request: enough for the cost of the request itself not to matter.
COUNT = 10
# Seconds after the last request in which the calls are sent, which nobody counts.
SETTLE = 1.5


class Workload(NamedTuple):
    """Calls of one kind: how the report names one, and the application that makes them."""

    title: str
    app: str


WORKLOADS = (Workload("a statement (sqlite3)", "statements"), Workload("an HTTP call (requests)", "requests"))


def measure(
    peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, found: Mapping[str, Samples], notes: Notes
) -> None:
    """Measure the application of each workload, which has its samples in `found`, under each peer that records it."""
    called = folder / "called"
    called.mkdir()
    with processes.endpoint(called) as place:

        def modes(peer: Peer) -> Iterator[Mode]:
            yield Mode(TRACED, {"CALLS_URL": place.url, "CALLS_COUNT": str(COUNT)}, "01", False, SETTLE)

        for app, samples in found.items():
            able = [peer for peer in peers if app in peer.calls]
            rounds.measure(app, able, plan, folder, samples, notes, modes)


def cost(peer: Peer, samples: Samples, without: Samples) -> float | None:
    """Return the CPU microseconds of a call: of the baseline, or what a peer adds to it; None when not measured.

    `samples` are those of requests with calls, `without` those of requests that make none.
    """
    if peer.name == BASELINE:
        whole, rest = (each.get((BASELINE, TRACED, "cpu"), []) for each in (samples, without))
    else:
        whole, rest = (differences(each, peer.name, TRACED, "cpu") for each in (samples, without))
    return (median(whole) - median(rest)) / COUNT if whole and rest else None
