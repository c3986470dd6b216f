"""A graph as a drawing: boxes in columns, and curves between them with a label each; all in pixels."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from .layers import Layers, Node, Pair, Passing, arrange

WIDTH, HEIGHT = 190, 58
# Between columns, where the labels of curves are; and between boxes of a column, or a box and a curve that passes.
_GAP, _SPACE, _PASSING = 140, 40, 30
_MARGIN = 6
# The tip of an arrow is so long.
_TIP = 8
# A label has two lines.
_LABEL = 36
_ALIGNMENTS = 4


class Curve(NamedTuple):
    """An edge: the path of SVG, and the middle of its label."""

    path: str
    x: float
    y: float


class Drawing(NamedTuple):
    """The size of a drawing, the upper left corner of each box, and the curves, one an edge."""

    width: int
    height: int
    boxes: Mapping[Node, tuple[float, float]]
    curves: Sequence[Curve]


def draw(nodes: Sequence[Node], edges: Sequence[Pair]) -> Drawing:
    """Return the drawing of a graph."""
    layers = arrange(nodes, edges)
    middles = _middles(layers)
    columns = {node: number for number, row in enumerate(layers.rows) for node in row}
    top = min((middles[node] for node in middles), default=0) - HEIGHT / 2
    # Above the boxes there is room for curves that lead back.
    above = _MARGIN + (_LABEL + 18 if layers.backwards else 0)
    for node in middles:
        middles[node] += above - top
    lefts = {node: _MARGIN + column * (WIDTH + _GAP) for node, column in columns.items()}
    curves = [
        _back(lefts, middles, way, above) if place in layers.backwards else _forth(lefts, middles, way)
        for place, way in enumerate(layers.ways)
    ]
    bottom = max((middles[node] for node in middles), default=0) + HEIGHT / 2
    width = max(lefts.values(), default=0) + WIDTH + _MARGIN
    boxes = {node: (lefts[node], middles[node] - HEIGHT / 2) for node in nodes}
    return Drawing(width, round(bottom) + _MARGIN, boxes, _apart(curves))


def _half(node: Node, layers: Layers) -> float:
    """Return half of the height that a node needs."""
    if isinstance(node, Passing):
        return _PASSING / 2
    # A service that calls itself has the label of that above it.
    return (HEIGHT + _SPACE) / 2 + (_LABEL / 2 if [node, node] in layers.ways else 0)


def _middles(layers: Layers) -> dict[Node, float]:
    """Return how far down each node is: close to those that it is joined to, and not on top of another one."""
    joined: dict[Node, list[Node]] = {}
    for place, way in enumerate(layers.ways):
        if place not in layers.backwards:
            for one, other in zip(way, way[1:]):
                joined.setdefault(one, []).append(other)
                joined.setdefault(other, []).append(one)
    halves = {node: _half(node, layers) for row in layers.rows for node in row}
    middles: dict[Node, float] = {}
    for row in layers.rows:
        _stack(row, halves, [0.0] * len(row), middles)
    for turn in range(_ALIGNMENTS):
        for row in layers.rows if turn % 2 == 0 else reversed(layers.rows):
            wanted = [
                sum(middles[one] for one in joined[node]) / len(joined[node]) if node in joined else middles[node]
                for node in row
            ]
            _stack(row, halves, wanted, middles)
    return middles


def _stack(
    row: Sequence[Node], halves: Mapping[Node, float], wanted: Sequence[float], middles: dict[Node, float]
) -> None:
    """Put the nodes of a column below one another, as close to where they are wanted as their order allows."""
    end = float("-inf")
    for node, middle in zip(row, wanted):
        middles[node] = max(middle, end + halves[node])
        end = middles[node] + halves[node]
    shift = sum(middle - middles[node] for node, middle in zip(row, wanted)) / max(len(row), 1)
    for node in row:
        middles[node] += shift


def _forth(lefts: Mapping[Node, float], middles: Mapping[Node, float], way: Sequence[Node]) -> Curve:
    path = f"M{lefts[way[0]] + WIDTH:.0f} {middles[way[0]]:.0f}"
    for one, other in zip(way, way[1:]):
        start, end = lefts[one] + WIDTH, lefts[other] - (0 if isinstance(other, Passing) else _TIP)
        middle = (start + end) / 2
        path += f"C{middle:.0f} {middles[one]:.0f} {middle:.0f} {middles[other]:.0f} {end:.0f} {middles[other]:.0f}"
        if isinstance(other, Passing):
            path += f"H{end + WIDTH:.0f}"
    # Where it leaves its box: the labels of all that a service calls are side by side there.
    return Curve(path, lefts[way[0]] + WIDTH + _GAP / 2, (middles[way[0]] + middles[way[1]]) / 2)


def _back(lefts: Mapping[Node, float], middles: Mapping[Node, float], way: Sequence[Node], above: float) -> Curve:
    """Return a curve over the top of what is between: out of one box's upper edge, and into another's."""
    source, target = way
    first, last = lefts[source] + WIDTH * 0.6, lefts[target] + WIDTH * 0.4
    start, end = middles[source] - HEIGHT / 2, middles[target] - HEIGHT / 2 - _TIP
    height = min(start, end) - (_LABEL if source == target else above * 0.9)
    path = f"M{first:.0f} {start:.0f}C{first:.0f} {height:.0f} {last:.0f} {height:.0f} {last:.0f} {end:.0f}"
    # The middle of such a curve; that of a small one is not covered by its label.
    middle = (start + 6 * height + end) / 8
    return Curve(path, (first + last) / 2, middle - _LABEL / 2 if source == target else middle)


def _apart(curves: Sequence[Curve]) -> list[Curve]:
    """Return curves whose labels do not cover each other: those too close to one above go down."""
    found: dict[int, Curve] = {}
    for place in sorted(range(len(curves)), key=lambda one: (curves[one].x, curves[one].y)):
        curve = curves[place]
        for other in found.values():
            if abs(other.x - curve.x) < _GAP * 0.7 and abs(other.y - curve.y) < _LABEL:
                curve = curve._replace(y=other.y + _LABEL)
        found[place] = curve
    return [found[place] for place in range(len(curves))]
