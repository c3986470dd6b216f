"""Nodes of a graph in layers from left to right, so that edges lead to the right and few of them cross.

A graph may go round in circles: of each circle one edge leads back to the left.
"""

from __future__ import annotations

from typing import Hashable, Mapping, NamedTuple, Sequence, Tuple

# A node; or what stands for an edge in a layer that it only passes: the place of the edge, and the layer.
Node = Hashable
Pair = Tuple[Node, Node]
_SWEEPS = 6


class Passing(NamedTuple):
    """Where an edge, by its place among the edges, passes a layer."""

    edge: int
    layer: int


class Layers(NamedTuple):
    """Nodes in each layer, from top to bottom, with those where edges pass, and the way of each edge through them.

    Of an edge that leads back, or to its own node, there is only its beginning and end.
    """

    rows: list[list[Node]]
    ways: list[list[Node]]
    backwards: set[int]


def arrange(nodes: Sequence[Node], edges: Sequence[Pair]) -> Layers:
    """Return the layers of a graph; what comes first of `nodes` is further up, where nothing else decides."""
    backwards = _backwards(nodes, edges)
    forward = [place for place in range(len(edges)) if place not in backwards]
    levels = _levels(nodes, [edges[place] for place in forward])
    rows: list[list[Node]] = [[] for _ in range(max(levels.values(), default=0) + 1)]
    for node in nodes:
        rows[levels[node]].append(node)
    ways: list[list[Node]] = [list(edge) for edge in edges]
    for place in forward:
        source, target = edges[place]
        passed: list[Node] = [Passing(place, layer) for layer in range(levels[source] + 1, levels[target])]
        ways[place] = [source, *passed, target]
        for passing in passed:
            rows[passing.layer].append(passing)  # type: ignore[attr-defined]
    steps = [step for place in forward for step in zip(ways[place], ways[place][1:])]
    _uncross(rows, steps)
    return Layers(rows, ways, backwards)


def _backwards(nodes: Sequence[Node], edges: Sequence[Pair]) -> set[int]:
    """Return the places of edges without which the graph has no circle."""
    leaving: dict[Node, list[int]] = {node: [] for node in nodes}
    for place, (source, _) in enumerate(edges):
        leaving[source].append(place)
    entered = {target for source, target in edges if source != target}
    found: set[int] = set()
    done: set[Node] = set()
    # First what nobody calls: a circle is then entered where its traffic comes from.
    for root in sorted(nodes, key=lambda node: node in entered):
        open_nodes: dict[Node, list[int]] = {}
        waiting = [] if root in done else [root]
        while waiting:
            node = waiting[-1]
            left = open_nodes.setdefault(node, list(reversed(leaving[node])))
            if not left:
                del open_nodes[node]
                done.add(node)
                waiting.pop()
                continue
            place = left.pop()
            target = edges[place][1]
            if target in open_nodes:
                found.add(place)
            elif target not in done:
                waiting.append(target)
    return found


def _levels(nodes: Sequence[Node], edges: Sequence[Pair]) -> dict[Node, int]:
    """Return the layer of each node: the longest way to it, in edges that do not go round in circles."""
    levels = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for source, target in edges:
            if levels[target] <= levels[source]:
                levels[target] = levels[source] + 1
                changed = True
        if not changed:
            break
    return levels


def _uncross(rows: list[list[Node]], steps: Sequence[Pair]) -> None:
    """Bring each layer in the order of what its nodes are joined to in the layers beside it, again and again."""
    left: dict[Node, list[Node]] = {}
    right: dict[Node, list[Node]] = {}
    for source, target in steps:
        right.setdefault(source, []).append(target)
        left.setdefault(target, []).append(source)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        for row in rows if forth else reversed(rows):
            joined = left if forth else right
            places = {node: place / max(len(one), 1) for one in rows for place, node in enumerate(one)}
            row.sort(key=lambda node, joined=joined, places=places: _middle(node, joined, places))  # type: ignore[misc]


def _middle(node: Node, joined: Mapping[Node, Sequence[Node]], places: Mapping[Node, float]) -> float:
    beside = joined.get(node)
    # What is joined to nothing there stays about where it is.
    return sum(places[one] for one in beside) / len(beside) if beside else places[node]
