"""An operation as a tree: each item under the one that it names as its parent, and where it is in time.

Ids come from strangers: some are missing, some name what is not stored, some are there twice or go round in circles.
Every item is in the tree exactly once, whatever its ids are.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .summary import Summary


class Node(NamedTuple):
    """An item in its place: `level` is 1 for what has no parent, `start` is where it is drawn, in µs since 1970.

    `moved` says by how many µs that differs from what the item says. `orphan`: it, or what it hangs under, names a
    parent that is not there.
    """

    item: Summary
    level: int
    start: int
    moved: int
    orphan: bool

    @property
    def end(self) -> int:
        """When it ends, in µs since 1970."""
        return self.start + _took(self.item)


def build(items: Sequence[Summary], operation: str) -> list[Node]:
    """Return the nodes of an operation's tree from top to bottom: a parent in front of its children."""
    items = sorted(items, key=lambda item: (item.time, not item.is_timed))
    parents = _parents(items)
    tops = [place for place, parent in enumerate(parents) if parent is None]
    roots = _roots(items, tops, operation)
    if len(roots) == 1:
        for place in tops:
            # A log that names no parent belongs to what the operation began with, if that is one thing.
            if place != roots[0] and not items[place].is_timed and not _names_parent(items[place], operation):
                parents[place] = roots[0]
    children: dict[int, list[int]] = {}
    for place, parent in enumerate(parents):
        if parent is not None:
            children.setdefault(parent, []).append(place)
    nodes: list[Node] = []
    seen: set[int] = set()
    for root in roots:
        _descend(items, children, root, False, nodes, seen)
    for place in range(len(items)):
        if place not in seen and parents[place] is None:
            _descend(items, children, place, True, nodes, seen)
    for place in range(len(items)):
        # What is left goes round in circles: the first of each circle is taken for its top.
        if place not in seen:
            _descend(items, children, place, True, nodes, seen)
    return nodes


def _parents(items: Sequence[Summary]) -> list[int | None]:
    """Return the place of each item's parent; None for an item whose parent is not there."""
    exact: dict[str, list[int]] = {}
    loose: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        if item.is_timed and item.id:
            exact.setdefault(item.id, []).append(place)
            loose.setdefault(_span(item.id), []).append(place)
    found: list[int | None] = []
    for place, item in enumerate(items):
        same = [] if not item.parent else exact.get(item.parent) or loose.get(_span(item.parent), [])
        # Of those with one id the first that is another item: a call and what answers it may share theirs.
        found.append(next((one for one in same if one != place), None))
    return found


def _span(identifier: str) -> str:
    """Return the last part of a hierarchical id, `|trace.span.`, which some libraries write for `span`."""
    return identifier.strip("|.").rpartition(".")[2]


def _names_parent(item: Summary, operation: str) -> bool:
    # A root of some libraries names the operation itself.
    return bool(item.parent) and item.parent != operation


def _roots(items: Sequence[Summary], tops: Sequence[int], operation: str) -> list[int]:
    """Return what the operation began with: what lasts and names no parent, else the first that has none here."""
    roots = [place for place in tops if items[place].is_timed and not _names_parent(items[place], operation)]
    if roots:
        return roots
    # Whoever called the first request is not among those that report to this store.
    for wanted in ("requests", "pageViews", "dependencies"):
        for place in tops:
            if items[place].table == wanted:
                return [place]
    return list(tops[:1])


def _descend(
    items: Sequence[Summary], children: dict[int, list[int]], top: int, orphan: bool, nodes: list[Node], seen: set[int]
) -> None:
    """Add an item and all below it. Not by recursion: a chain of calls may be a thousand long."""
    waiting = [(top, Node(items[top], 1, items[top].time, 0, orphan))]
    while waiting:
        place, node = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        nodes.append(node)
        below = [(child, _below(items[child], node)) for child in children.get(place, ())]
        # The last one is popped first; those of one moment stay as they are, calls in front of logs.
        waiting += sorted(below, key=lambda found: found[1].start)[::-1]


def _below(item: Summary, parent: Node) -> Node:
    moved = _move(item, parent)
    return Node(item, parent.level + 1, item.time + moved, moved, parent.orphan)


def _move(item: Summary, parent: Node) -> int:
    """Return by how many µs an item is moved, because the clock of its machine differs from its parent's.

    What one process reports stays as it is, and moves with what it hangs under. What another process did for its
    parent is drawn inside of it: in the middle where it is shorter, so that both ways of the message take as long, and
    from its start where it is longer. One that is longer and begins later stays where it is: nobody waited for it.
    """
    if (item.role, item.instance) == (parent.item.role, parent.item.instance):
        return parent.moved
    spare = parent.end - parent.start - _took(item)
    if spare >= 0:
        inside = parent.start <= item.time <= parent.start + spare
        return 0 if inside else parent.start + spare // 2 - item.time
    return max(parent.start - item.time, 0)


def _took(item: Summary) -> int:
    # Durations are what somebody sent: nothing lasts less than nothing, or longer than the service's schema allows.
    return int(min(max(item.duration or 0.0, 0.0), 1000 * 86_400_000) * 1000)
