"""The application map: the services that report here, what they call, how often, how fast, how well."""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import urlencode

from .. import drawing, graph, scope, texts
from ..graph import Edge, Figures, Node
from ..web import Request, Response, render
from .frame import frame

# How types of what has an icon of its own begin, in lower case.
_DATABASES = (
    *("sql", "mysql", "mssql", "postgres", "sqlite", "oracle", "mongo", "redis", "memcached", "cassandra"),
    *("cosmos", "documentdb", "elastic", "clickhouse", "azure sql"),
)
_QUEUES = ("queue", "azure service bus", "azure event", "kafka", "rabbitmq", "amqp", "celery")
# From this part of calls on that fail, an arrow says so by its colour too.
_FAILING = 0.01
# Characters that a box has room for.
_LONGEST_NAME = 17


class Box(NamedTuple):
    """A node as it is drawn, where it leads, and what it is called in full."""

    node: Node
    x: float
    y: float
    icon: str
    name: str
    label: str
    link: str


class Line(NamedTuple):
    """An edge as it is drawn, its thickness, whether many of its calls fail, and its ends."""

    edge: Edge
    curve: drawing.Curve
    thickness: str
    failing: bool
    source: Box
    target: Box


def page(request: Request) -> Response:
    """Return the map of a scope, as a drawing and as a table."""
    chosen = scope.of(request)._replace(operation="")
    found = graph.of(request, chosen)
    drawn = drawing.draw([node.key for node in found.nodes], [(edge.source, edge.target) for edge in found.edges])
    boxes = {node.key: _box(node, drawn.boxes[node.key], chosen) for node in found.nodes}
    lines = [
        Line(edge, curve, _thickness(edge.figures), _is_failing(edge.figures), boxes[edge.source], boxes[edge.target])
        for edge, curve in zip(found.edges, drawn.curves)
    ]
    values = frame(request, chosen, "Application map", "/map", empty=not found.nodes)
    return render(
        "map.html",
        **{**values, "most": graph.MOST, "drawn": drawn, "boxes": list(boxes.values()), "lines": lines},
        left_out=found.left_out,
        compact=compact,
        size=(drawing.WIDTH, drawing.HEIGHT),
    )


def _box(node: Node, place: tuple[float, float], chosen: scope.Scope) -> Box:
    name = node.name or "(no role)"
    label = name if node.is_role else f"{node.type or 'dependency'} {name}"
    if node.is_role:
        link = "/performance" + chosen.query(role=node.name)
    else:
        link = "/search?" + urlencode(
            {"text": node.name, "type": "dependency", "range": chosen.range}, errors="replace"
        )
    return Box(node, *place, _icon(node), texts.short(name, longest=_LONGEST_NAME), texts.short(label), link)


def _icon(node: Node) -> str:
    kind = node.type.lower()
    if node.is_role:
        return "role"
    return "database" if kind.startswith(_DATABASES) else "queue" if kind.startswith(_QUEUES) else "outside"


def _is_failing(figures: Figures) -> bool:
    return figures.failed >= figures.calls * _FAILING


def compact(count: float) -> str:
    """Return how many there are in three digits, where more would have no room."""
    if round(count) < 10_000:
        return texts.count(count)
    size, unit = (1e9, "G") if count >= 999.5e6 else (1e6, "M") if count >= 999.5e3 else (1e3, "k")
    return f"{count / size:.3g}{unit}"


def _thickness(figures: Figures) -> str:
    return f"{min(1.2 + math.log10(max(figures.calls, 1)) * 0.5, 4):.1f}"
