"""Figures as they are measured, and what they say: medians with their spread, beside the bare application."""

from __future__ import annotations

import collections
from statistics import median
from typing import Dict, List, NamedTuple, Sequence, Tuple

from benchmarks.peers import BASELINE

# How a peer is set: as it comes, with the path blacklisted, or sampling next to nothing.
TRACED, BLACKLISTED, UNSAMPLED = "traced", "blacklisted", "unsampled"
# (peer, mode, figure) → one value a round, in the same order for all peers.
Samples = Dict[Tuple[str, str, str], List[float]]


class Plan(NamedTuple):
    """How much is measured: in each of `generations` new processes make requests in `rounds` rounds.

    A round is `long` seconds of requests where they are traced, `short` where not. `starts` is how often a server
    is started, and an empty program five times as often.
    """

    generations: int
    rounds: int
    long: float
    short: float
    starts: int


class Spread(NamedTuple):
    """The median of several measurements with the lowest and the highest."""

    middle: float
    low: float
    high: float


def new_samples() -> Samples:
    """Return an empty table of measurements."""
    return collections.defaultdict(list)


def spread(values: Sequence[float]) -> Spread:
    """Summarise measurements, at least one."""
    return Spread(median(values), min(values), max(values))


def total(samples: Samples, peer: str, mode: str, figure: str) -> Spread | None:
    """Return a figure as it was measured; None when it was not."""
    values = samples.get((peer, mode, figure))
    return spread(values) if values else None


def added(samples: Samples, peer: str, mode: str, figure: str) -> Spread | None:
    """Return what a peer adds to a figure of the bare application, from differences within the same round.

    Neighbours in time are compared, so that a machine whose speed drifts does not matter.
    """
    ours, bare = samples.get((peer, mode, figure)), samples.get((BASELINE, TRACED, figure))
    if not ours or not bare:
        return None
    return spread([ours_value - bare_value for ours_value, bare_value in zip(ours, bare)])
