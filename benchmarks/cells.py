"""Figures as the text of table cells, and Markdown tables of them."""

from __future__ import annotations

from typing import Iterable, Sequence

from benchmarks.figures import TRACED, Samples, added, ratio, total
from benchmarks.peers import BASELINE, BY_HAND, Peer

NOTHING = "-"


def figure(peer: Peer, samples: Samples, mode: str, name: str, unit: str, digits: int, ranged: bool = False) -> str:
    """Return a figure: the whole for the baseline, what is added, with a sign, for the others."""
    bare = peer.name == BASELINE
    value = (total if bare else added)(samples, peer.name, mode, name)
    if value is None:
        return NOTHING
    text = number(value.middle, unit, digits, signed=not bare)
    return f"{text} ({value.low:.{digits}f} to {value.high:.{digits}f})" if ranged else text


def number(value: float, unit: str, digits: int, signed: bool = False) -> str:
    """Return a number with its unit; zero has no sign."""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return f"{text} {unit}".rstrip()


def worst(peer: Peer, frameworks: Iterable[Samples], mode: str, name: str, unit: str, digits: int) -> str:
    """Return what a peer adds to a figure with the framework where it is most."""
    found = [added(samples, peer.name, mode, name) for samples in frameworks]
    values = [value.middle for value in found if value is not None]
    return number(max(values), unit, digits, signed=True) if values and peer.name != BASELINE else NOTHING


def share(peer: Peer, frameworks: Iterable[Samples], name: str) -> str:
    """Return what a peer adds to a figure as a share of what OpenCensus adds: the frameworks' lowest to highest."""
    found = [ratio(samples, peer.name, BY_HAND, name) for samples in frameworks]
    texts = [f"{value.middle * 100:.0f}" for value in sorted(filter(None, found))]
    if not texts or peer.name in (BASELINE, BY_HAND):
        return NOTHING
    return f"{' to '.join(dict.fromkeys((texts[0], texts[-1])))} %"


def arrivals(peer: Peer, frameworks: Iterable[Samples]) -> list[str]:
    """Return how many items a peer owed, how many never arrived, and how many arrived again."""
    sent, items, again = (
        sum(sum(samples.get((peer.name, TRACED, name), [])) for samples in frameworks)
        for name in ("sent", "items", "again")
    )
    return [f"{sent:.0f}", f"{sent - items:.0f}", f"{again:.0f}"] if peer.sends and sent else [NOTHING] * 3


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up as text too."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[text.ljust(width) for text, width in zip(line, widths)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
