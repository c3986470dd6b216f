"""Figures as they are measured, and what they say: medians with their spread, beside the bare application."""

from __future__ import annotations

import collections
from statistics import median
from typing import Dict, List, NamedTuple, Sequence, Tuple

from benchmarks.peers import BASELINE

# How a peer is set: as it comes, with the path blacklisted, sampling a tenth, or sampling nothing.
TRACED, BLACKLISTED, TENTH, UNSAMPLED = "traced", "blacklisted", "10 % sampled", "unsampled"
# Not a way to set a peer: the bare application, measured right before it.
BARE = "bare"
# (peer, mode, figure) → one value a round, in the same order for all peers.
Samples = Dict[Tuple[str, str, str], List[float]]
# (peer, where) → what kept it from being measured there; where is a framework, or one of the following.
Notes = Dict[Tuple[str, str], str]
SETUP, BUSY, STARTS, LOADS, VIEWER = "setup", "busy", "starts", "loads", "viewer"


class Plan(NamedTuple):
    """How much is measured: in each of `generations` new processes make requests in `rounds` rounds.

    A round is `long` seconds of requests where all are traced, `short` where not. A server with busy threads gets
    `busy` times `short` seconds. `starts` is how often a server is started, and an empty program five times as often.
    `loads` is how often a server gets `load` seconds of requests
    while the endpoint is slow. The viewer has a store of `stored` requests, each of its pages is visited `visits`
    times, and `posted` items are sent to it.
    """

    generations: int
    rounds: int
    long: float
    short: float
    busy: int
    starts: int
    loads: int
    load: float
    stored: int
    visits: int
    posted: int


class Spread(NamedTuple):
    """The median of several measurements with the lowest and the highest."""

    middle: float
    low: float
    high: float


def new_samples() -> Samples:
    """Return an empty table of measurements."""
    return collections.defaultdict(list)


def spread(values: Sequence[float]) -> Spread | None:
    """Summarise measurements; None when there is none."""
    return Spread(median(values), min(values), max(values)) if values else None


def total(samples: Samples, peer: str, mode: str, figure: str) -> Spread | None:
    """Return a figure as it was measured; None when it was not."""
    return spread(samples.get((peer, mode, figure), []))


def added(samples: Samples, peer: str, mode: str, figure: str) -> Spread | None:
    """Return what a peer adds to a figure of the bare application; None when it was not measured."""
    return spread(differences(samples, peer, mode, figure))


def differences(samples: Samples, peer: str, mode: str, figure: str) -> list[float]:
    """Return what a peer adds to a figure, one value a round.

    Neighbours in time are compared, so that a machine whose speed drifts does not matter: where the bare application
    was measured right before the peer, that is what counts, else the same round.
    """
    bare = samples.get((peer, BARE, figure)) or samples.get((BASELINE, TRACED, figure), [])
    return [ours - theirs for ours, theirs in zip(samples.get((peer, mode, figure), []), bare)]


def ratio(samples: Samples, peer: str, other: str, figure: str) -> Spread | None:
    """Return what a peer adds as a share of what `other` adds in the same round; None when it was not measured."""
    pairs = zip(differences(samples, peer, TRACED, figure), differences(samples, other, TRACED, figure))
    return spread([ours / theirs for ours, theirs in pairs if theirs > 0])
