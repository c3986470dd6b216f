"""Who calls whom: the roles that answer requests, what they depend on, and figures of the calls between them."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Tuple

from .scope import Scope
from .web import Request

# Nodes that are drawn: those with most calls.
MOST = 60
# A role; or the type and target of a dependency that no role answers.
Key = Tuple[str, ...]


class Figures(NamedTuple):
    """How many calls, what they took together in ms, and how many of them failed; sampled ones count for all."""

    calls: float = 0.0
    total: float = 0.0
    failed: float = 0.0

    def plus(self, other: Figures) -> Figures:
        """Return the figures of both together."""
        return Figures(self.calls + other.calls, self.total + other.total, self.failed + other.failed)

    @property
    def mean(self) -> float | None:
        """The mean duration in ms, None without calls."""
        return self.total / self.calls if self.calls else None


class Node(NamedTuple):
    """A role, with the figures of the requests that it answered, or a dependency, with those of the calls to it."""

    key: Key
    figures: Figures

    @property
    def is_role(self) -> bool:
        """Whether it reports to this store itself."""
        return len(self.key) == 1

    @property
    def type(self) -> str:
        """The type of a dependency, empty for a role."""
        return "" if self.is_role else self.key[0]

    @property
    def name(self) -> str:
        """The name of a role or the target of a dependency."""
        return self.key[-1]


class Edge(NamedTuple):
    """Calls of one node to another."""

    source: Key
    target: Key
    figures: Figures


class Graph(NamedTuple):
    """Nodes, those with most calls first, and the edges between them; so many nodes were left out."""

    nodes: list[Node]
    edges: list[Edge]
    left_out: int


_SUMS = "sum(itemCount), sum(itemCount * duration), sum(itemCount * (NOT success))"
# The role of a request whose parent is this call.
_ANSWERED = (
    "(SELECT coalesce(answer.cloud_RoleName, '') FROM requests AS answer"
    " WHERE answer.operation_Id = dependencies.operation_Id AND answer.operation_ParentId = dependencies.id LIMIT 1)"
)


def of(request: Request, scope: Scope) -> Graph:
    """Return the graph of a scope; of one role, if that is chosen, and its neighbours."""
    condition, values = scope.where(role=False)
    execute = request.store.execute
    roles: dict[Key, Figures] = {
        (role or "",): Figures(*figures)
        for role, *figures in execute(
            f"SELECT cloud_RoleName, {_SUMS} FROM requests WHERE {condition} GROUP BY 1", values
        )
    }
    calls = execute(
        f"SELECT cloud_RoleName, type, target, {_ANSWERED}, {_SUMS} FROM dependencies WHERE {condition}"
        # A span in the process is no call to anything, and what has no target can be drawn nowhere.
        " AND coalesce(type, '') NOT LIKE 'InProc%' AND coalesce(target, '') <> '' GROUP BY 1, 2, 3, 4",
        values,
    ).fetchall()
    edges = _edges(calls)
    if scope.role:
        edges = [edge for edge in edges if (scope.role,) in (edge.source, edge.target)]
        roles = {key: figures for key, figures in roles.items() if key == (scope.role,)}
    return _graph(roles, edges)


def _edges(calls: Iterable[Any]) -> list[Edge]:
    """Return who calls whom: the role that answered, else the one that answers all other calls of that target."""
    rows = [
        ((role or "",), (kind or "", target), answer, Figures(*figures))
        for role, kind, target, answer, *figures in calls
    ]
    answering: dict[Key, set[str]] = {}
    for _, place, answer, _ in rows:
        if answer is not None:
            answering.setdefault(place, set()).add(answer)
    edges: dict[tuple[Key, Key], Figures] = {}
    for source, place, answer, figures in rows:
        known = answering.get(place, set())
        # A call that failed on its way, or was answered by what is not stored any more, was meant for the same role.
        target = (answer,) if answer is not None else (next(iter(known)),) if len(known) == 1 else place
        edges[source, target] = edges.get((source, target), Figures()).plus(figures)
    return [Edge(source, target, figures) for (source, target), figures in edges.items()]


def _graph(roles: dict[Key, Figures], edges: list[Edge]) -> Graph:
    found = dict(roles)
    for edge in edges:
        found.setdefault(edge.source, Figures())
        if len(edge.target) == 2 or edge.target not in roles:
            found[edge.target] = found.get(edge.target, Figures()).plus(edge.figures)
    # How much a node has to do with: what it answers, and what it calls.
    weights = {key: figures.calls for key, figures in found.items()}
    for edge in edges:
        weights[edge.source] += edge.figures.calls
    nodes = sorted((Node(*pair) for pair in found.items()), key=lambda node: (-weights[node.key], node.key))
    kept = {node.key for node in nodes[:MOST]}
    shown = [edge for edge in edges if edge.source in kept and edge.target in kept]
    return Graph(nodes[:MOST], sorted(shown, key=lambda edge: -edge.figures.calls), len(nodes) - len(kept))
