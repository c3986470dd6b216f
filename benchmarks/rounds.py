"""What a request costs: CPU time, latency and delivery, all peers in turn within each round."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Iterator, Mapping, Sequence

from benchmarks import processes
from benchmarks.figures import BLACKLISTED, TRACED, UNSAMPLED, Plan, Samples
from benchmarks.peers import Peer
from benchmarks.processes import Mode

FIGURES = ("cpu", "p50", "p99", "p99.9")
# Counted since the start of a process: its last answer has them all.
DELIVERY = ("sent", "items", "again")


def measure(framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples) -> None:
    """Measure the application of one framework under each peer, in each way that the peer can be set."""
    for _ in range(plan.generations):
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(processes.endpoint(folder))
            drivers = {
                (peer.name, mode.name): stack.enter_context(processes.driver(peer, framework, mode, place))
                for peer in peers
                for mode in modes(peer)
            }
            for driven in drivers.values():
                driven.work(plan.short)
            answers = {}
            for _ in range(plan.rounds):
                for key, driven in drivers.items():
                    answers[key] = driven.work(plan.long if key[1] == TRACED else plan.short)
                    record(samples, key, answers[key], FIGURES)
            for key, answer in answers.items():
                record(samples, key, answer, DELIVERY)


def record(samples: Samples, key: tuple[str, str], answer: Mapping[str, float], figures: Sequence[str]) -> None:
    """Keep the named figures of an answer; `key` is peer and mode."""
    for figure in figures:
        samples[(*key, figure)].append(answer[figure])


def modes(peer: Peer) -> Iterator[Mode]:
    """Yield the ways to set a peer."""
    yield Mode(TRACED, {}, "01", peer.sends, peer.settle)
    if peer.blacklisted is not None:
        yield Mode(BLACKLISTED, peer.blacklisted, "01")
    if peer.unsampled is not None:
        # Some samplers obey a caller who says that the trace is sampled.
        yield Mode(UNSAMPLED, peer.unsampled, "00")
