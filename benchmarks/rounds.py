"""What a request costs: CPU time, latency and delivery, all peers in turn within each round."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

from benchmarks import processes
from benchmarks.figures import BARE, BLACKLISTED, TENTH, TRACED, UNSAMPLED, Notes, Plan, Samples
from benchmarks.peers import BASELINE, Peer
from benchmarks.processes import Driven, Mode, PeerError, Place

FIGURES = ("cpu", "p50", "p99", "p99.9", "wall p99")
# Counted since the start of a process: its last answer has them all.
DELIVERY = ("sent", "items", "again")

Ways = Callable[[Peer], Iterator[Mode]]
# Measures a peer once, beside the bare application.
Turn = Callable[["Lane", Driven, Plan, Samples], None]


class Lane(NamedTuple):
    """The drivers of one peer, by mode."""

    peer: Peer
    drivers: Mapping[str, Driven]


def measure(
    framework: str,
    peers: Sequence[Peer],
    plan: Plan,
    folder: pathlib.Path,
    samples: Samples,
    notes: Notes,
    ways: Ways | None = None,
    turn: Turn | None = None,
) -> None:
    """Measure the application of one framework under each peer, in each of the `ways` that the peer can be set.

    `turn` is how, `take_turn` where none is given. A peer that breaks is noted and left out from there on.
    """
    for _ in range(plan.generations):
        able = [peer for peer in peers if (peer.name, framework) not in notes]
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(processes.endpoint(folder))
            lanes = [Lane(peer, start(stack, peer, framework, place, ways or modes)) for peer in able]
            bare = lanes[0].drivers[TRACED]
            for work in (warm_up, *[turn or take_turn] * plan.rounds, take_stock):
                for lane in list(lanes):
                    try:
                        work(lane, bare, plan, samples)
                    except PeerError as error:
                        if lane.peer.name == BASELINE:
                            raise
                        notes[lane.peer.name, framework] = f"does not run: {error}"
                        lanes.remove(lane)
                        forget(samples, lane.peer)


def start(stack: contextlib.ExitStack, peer: Peer, framework: str, place: Place, ways: Ways) -> dict[str, Driven]:
    """Start a driver for each way to set a peer; all of them start at once, and `warm_up` waits for them."""
    return {mode.name: stack.enter_context(processes.driver(peer, framework, mode, place)) for mode in ways(peer)}


def warm_up(lane: Lane, bare: Driven, plan: Plan, samples: Samples) -> None:
    """Have the drivers of a peer make their first requests."""
    for driven in lane.drivers.values():
        driven.work(plan.short)


def take_turn(lane: Lane, bare: Driven, plan: Plan, samples: Samples) -> None:
    """Measure a peer once in each mode, and the bare application right before it: what is compared is near in time."""
    if lane.peer.name != BASELINE:
        record(samples, (lane.peer.name, BARE), bare.work(plan.short), FIGURES)
    for mode, driven in lane.drivers.items():
        answer = driven.work(plan.long if mode == TRACED else plan.short)
        record(samples, (lane.peer.name, mode), answer, FIGURES)


def take_stock(lane: Lane, bare: Driven, plan: Plan, samples: Samples) -> None:
    """Keep what has arrived of a peer's items in the end."""
    for mode, driven in lane.drivers.items():
        record(samples, (lane.peer.name, mode), driven.last, DELIVERY)


def forget(samples: Samples, peer: Peer) -> None:
    """Drop what was measured of a peer before it broke."""
    for key in [key for key in samples if key[0] == peer.name]:
        del samples[key]


def record(samples: Samples, key: tuple[str, str], answer: Mapping[str, float], figures: Sequence[str]) -> None:
    """Keep the named figures of an answer; `key` is peer and mode."""
    for figure in figures:
        samples[(*key, figure)].append(answer[figure])


def modes(peer: Peer) -> Iterator[Mode]:
    """Yield the ways to set a peer."""
    yield Mode(TRACED, {}, "01", peer.sends, 0.0 if peer.sends else peer.settle)
    if peer.blacklisted is not None:
        yield Mode(BLACKLISTED, peer.blacklisted, "01")
    if peer.sampled is not None:
        # Without callers, as some samplers obey them and some do not.
        yield Mode(TENTH, at_rate(peer.sampled, "0.1"), "", False, peer.settle)
        # Some samplers obey a caller who says that the trace is sampled.
        yield Mode(UNSAMPLED, at_rate(peer.sampled, "0"), "00")


def at_rate(variables: Mapping[str, str], rate: str) -> dict[str, str]:
    """Return environment variables with a sampling rate filled in."""
    return {name: text.replace("{rate}", rate) for name, text in variables.items()}
