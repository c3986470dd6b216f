"""What an outgoing call costs: the requests of an application that makes some, beside those of one that makes none."""

from __future__ import annotations

import pathlib
from statistics import median
from typing import Iterator, Mapping, NamedTuple, Sequence

from benchmarks import processes, rounds
from benchmarks.figures import BARE, TRACED, Notes, Plan, Samples, differences
from benchmarks.peers import BASELINE, Peer
from benchmarks.processes import Driven, Mode
from benchmarks.rounds import Lane, record

# Calls of one request: enough for the cost of the request itself not to matter.
COUNT = 10
# Requests of a slice, and slices of a turn: the speed of a machine may change several times a second.
SLICE, SLICES = 10, 30
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
            rounds.measure(app, able, plan, folder, samples, notes, modes, take_turn)


def take_turn(lane: Lane, bare: Driven, plan: Plan, samples: Samples) -> None:
    """Measure a peer and the bare application in short slices, one beside the other.

    What the thread of the requests spends is compared slice by slice; what the others do, which send, comes at any
    time and is added up.
    """
    if lane.peer.name == BASELINE:
        record(samples, (BASELINE, TRACED), bare.work(0, SLICE * SLICES, 0.0), ("cpu",))
        return
    driven = lane.drivers[TRACED]
    # The last of the turn before has waited until all was sent.
    others, made, pairs = driven.last["others"], 0.0, []
    for number in range(1, SLICES + 1):
        plain = bare.work(0, SLICE, 0.0)
        traced = driven.work(0, SLICE, SETTLE if number == SLICES else 0.0)
        pairs.append((plain["main"], traced["main"] - plain["main"]))
        made += traced["made"]
    without, added = (median(values) for values in zip(*pairs))
    record(samples, (lane.peer.name, BARE), {"cpu": without}, ("cpu",))
    sent = (driven.last["others"] - others) / made
    record(samples, (lane.peer.name, TRACED), {"cpu": without + added + sent}, ("cpu",))


def cost(peer: Peer, samples: Samples, without: Samples) -> float | None:
    """Return the CPU microseconds of a call: of the baseline, or what a peer adds to it; None when not measured.

    `samples` are those of requests with calls, `without` those of requests that make none.
    """
    if peer.name == BASELINE:
        whole, rest = (each.get((BASELINE, TRACED, "cpu"), []) for each in (samples, without))
    else:
        whole, rest = (differences(each, peer.name, TRACED, "cpu") for each in (samples, without))
    return (median(whole) - median(rest)) / COUNT if whole and rest else None
