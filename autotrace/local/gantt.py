"""Where the items of an operation are on a line of time, in percent of its width."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .tree import Node

# The line is at most so many times as long as all that happened on it: a clock that is a day off, or a message that
# waited for hours, would leave nothing to see of anything.
_EMPTIEST = 10
# Percent: so narrow a bar can still be seen.
_NARROWEST = 0.4
_TICKS = 4


class Line(NamedTuple):
    """The time that is drawn, in µs since 1970."""

    start: int
    end: int

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """Places on the line: percent, and milliseconds since its start."""
        length = (self.end - self.start) / 1000
        return [(f"{100 * tick / _TICKS:g}%", length * tick / _TICKS) for tick in range(_TICKS + 1)]


class Bar(NamedTuple):
    """A bar, as attributes of SVG; `outside` says on which side of the line its item is: `before`, `after` or none."""

    x: str
    width: str
    outside: str


def line_of(nodes: Sequence[Node]) -> Line:
    """Return the line for nodes of a tree, at least one: from the first root on, or from what is in front of it."""
    timed = [node for node in nodes if node.item.is_timed] or list(nodes)
    busy = max(sum(node.end - node.start for node in timed), 1000)
    start = timed[0].start
    early = min(node.start for node in nodes)
    if start - early <= busy * _EMPTIEST:
        start = early
    end = max(max(node.end for node in nodes), start + 1)
    return Line(start, min(end, start + busy * _EMPTIEST))


def bar_of(node: Node, line: Line) -> Bar:
    """Return the bar of a node; one that is not on the line is a mark at its nearer end."""
    length = line.end - line.start
    if node.start > line.end:
        return Bar(f"{100 - _NARROWEST:g}%", f"{_NARROWEST:g}%", "after")
    if node.end < line.start:
        return Bar("0%", f"{_NARROWEST:g}%", "before")
    first = (max(node.start, line.start) - line.start) * 100 / length
    last = (min(node.end, line.end) - line.start) * 100 / length
    first = min(first, 100 - _NARROWEST)
    return Bar(f"{first:.3f}%", f"{max(last - first, _NARROWEST):.3f}%", "")
