"""One operation: what it began with and all that this led to, as a tree, and when it was, on a line of time."""

from __future__ import annotations

import sqlite3
from typing import Any, Mapping, NamedTuple

from .. import chain, gantt, summary, texts, tree
from ..summary import Summary
from ..tables import TABLES
from ..web import PageError, Request, Response, render

# Items that are shown, the first ones, and looked at to find them.
MOST = 1000
_MOST_READ = 20_000
# Exceptions whose stack is on this page; others have a page of their own.
_MOST_STACKS = 20
# So few of them are unfolded from the start.
_OPEN = 2
# Levels that are indented; what is deeper says so in words alone.
_DEEPEST = 12


class Line(NamedTuple):
    """A line of the page: a node, its bar, how far it is indented, the exceptions it tells of, whether it is open."""

    node: tree.Node
    bar: gantt.Bar
    indent: int
    errors: list[chain.Error]
    is_open: bool


def page(request: Request) -> Response:
    """Return the page of the operation whose id is the end of the path; PageError 404 where nothing belongs to it."""
    operation = summary.clean(request.path[len("/transaction/") :])
    total = _count(request.store, operation)
    if not operation or not total:
        what = f"Nothing in the store belongs to the operation “{texts.short(operation, 'without an id')}”. "
        raise PageError(404, what + "It may have been deleted because it was old, or not have arrived yet.")
    nodes = tree.build(_first(request.store, operation), operation)
    line = gantt.line_of(nodes)
    stacks = _stacks(request.store, nodes)
    lines = [
        Line(
            node,
            gantt.bar_of(node, line),
            min(node.level, _DEEPEST),
            chain.errors_of(stacks.get(node.item.item_id)) if node.item.table == "exceptions" else [],
            node.item.table == "exceptions" and len(stacks) <= _OPEN,
        )
        for node in nodes
    ]
    return render(
        "transaction.html",
        title=texts.short(nodes[0].item.operation_name or nodes[0].item.title, "Transaction"),
        active="/search",
        operation=operation,
        total=total,
        most=MOST,
        lines=lines,
        line=line,
        deepest=_DEEPEST,
        first=nodes[0],
        failures=sum(node.item.failed for node in nodes),
        roles=list(dict.fromkeys(node.item.role for node in nodes if node.item.role)),
        moved=sum(abs(node.moved) >= 1000 for node in nodes),
        severity=summary.severity,
    )


def _count(store: sqlite3.Connection, operation: str) -> int:
    return sum(
        store.execute(f"SELECT count(*) FROM {table} WHERE operation_Id = ?", (operation,)).fetchone()[0]
        for table in TABLES
    )


def _first(store: sqlite3.Connection, operation: str) -> list[Summary]:
    """Return the first items of an operation: those with the earliest times, so that its beginning is among them."""
    found: list[tuple[int, str, int]] = []
    for table in TABLES:
        # Some libraries write one id for all that belongs to no operation: there is no end of those.
        query = f"SELECT _time, itemId FROM {table} WHERE operation_Id = ? LIMIT {_MOST_READ}"
        found += ((moment, table, item) for moment, item in store.execute(query, (operation,)))
    found.sort()
    wanted: dict[str, list[int]] = {}
    for _, table, item in found[:MOST]:
        wanted.setdefault(table, []).append(item)
    return [item for table, ids in wanted.items() for item in _read(store, table, ids)]


def _read(store: sqlite3.Connection, table: str, ids: list[int]) -> list[Summary]:
    # Numbers that come from the store itself, in place of more parameters than older versions of SQLite take.
    return summary.of_rows(store.execute(f"{summary.select(table)} WHERE itemId IN ({','.join(map(str, ids))})"))


def _stacks(store: sqlite3.Connection, nodes: list[tree.Node]) -> Mapping[int, Any]:
    """Return the details of the first exceptions, by their ids."""
    ids = [node.item.item_id for node in nodes if node.item.table == "exceptions"][:_MOST_STACKS]
    query = f"SELECT itemId, details FROM exceptions WHERE itemId IN ({','.join(map(str, ids))})"
    return dict(store.execute(query).fetchall())
