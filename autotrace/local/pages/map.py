"""The application map: the services that report here, what they call, how often, how fast, how well."""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import urlencode

from .. import drawing, graph, scope, texts
from ..graph import Edge, Figures, Node
from ..web import Request, Response, render
from .frame import frame

# How a type begins, in lower case → which icon it has.
_ICONS = {
    **dict.fromkeys(
        ("sql", "mysql", "postgres", "sqlite", "oracle", "mongo", "redis", "memcached", "cassandra", "db"), "database"
    ),
    **dict.fromkeys(("queue", "azure service bus", "azure event", "kafka", "rabbitmq", "amqp", "celery"), "queue"),
}
# Characters that a box has room for.
_LONGEST_NAME = 20


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
    """An edge as it is drawn, its thickness, and the names of its ends."""

    edge: Edge
    curve: drawing.Curve
    thickness: str
    source: Box
    target: Box


def page(request: Request) -> Response:
    """Return the map of a scope, as a drawing and as a table."""
    chosen = scope.of(request)._replace(operation="")
    found = graph.of(request, chosen)
    drawn = drawing.draw([node.key for node in found.nodes], [(edge.source, edge.target) for edge in found.edges])
    boxes = {node.key: _box(node, drawn.boxes[node.key], chosen) for node in found.nodes}
    lines = [
        Line(edge, curve, _thickness(edge.figures), boxes[edge.source], boxes[edge.target])
        for edge, curve in zip(found.edges, drawn.curves)
    ]
    values = frame(request, chosen, "Application map", "/map", empty=not found.nodes)
    return render(
        "map.html",
        **{**values, "most": graph.MOST, "drawn": drawn, "boxes": list(boxes.values()), "lines": lines},
        left_out=found.left_out,
        size=(drawing.WIDTH, drawing.HEIGHT),
    )


def _box(node: Node, place: tuple[float, float], chosen: scope.Scope) -> Box:
    icon = (
        "role"
        if node.is_role
        else next((icon for start, icon in _ICONS.items() if node.type.lower().startswith(start)), "outside")
    )
    name = node.name or "(no role)"
    label = name if node.is_role else f"{node.type or 'dependency'} {name}"
    if node.is_role:
        link = "/performance" + chosen.query(role=node.name)
    else:
        link = "/search?" + urlencode(
            {"text": node.name, "type": "dependency", "range": chosen.range}, errors="replace"
        )
    return Box(node, *place, icon, texts.short(name, longest=_LONGEST_NAME), texts.short(label), link)


def _thickness(figures: Figures) -> str:
    return f"{min(1.2 + math.log10(max(figures.count, 1)) * 0.7, 6):.1f}"
