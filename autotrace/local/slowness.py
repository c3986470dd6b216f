"""What the pages tell of durations beyond those of operations: the slowest requests, and calls to dependencies."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from .durations import Durations
from .scope import Scope
from .web import Request

# Of the time: more make more groups than they save work.
_SLICES = 20


class Dependency(NamedTuple):
    """The calls of one type and name to one target; any of these may be None."""

    type: str | None
    target: str | None
    name: str | None
    durations: Durations


def slowest(request: Request, scope: Scope, most: int) -> list[sqlite3.Row]:
    """Return the requests that took longest."""
    condition, values = scope.where()
    query = (
        "SELECT timestamp, _time, operation_Id, operation_Name, cloud_RoleName, resultCode, success, duration"
        f" FROM requests WHERE itemId IN (SELECT itemId FROM requests WHERE {condition} ORDER BY duration DESC LIMIT ?)"
        " ORDER BY duration DESC"
    )
    return request.store.execute(query, (*values, most)).fetchall()


def dependencies(request: Request, scope: Scope) -> list[Dependency]:
    """Return the calls to dependencies, those that took most of the time first."""
    found: dict[tuple[Any, ...], Dependency] = {}
    for between in scope.slices(_SLICES):
        condition, values = scope.where(between=between)
        # The bucket first, and a name before its kind: SQLite then finds out early that two differ.
        query = (
            "SELECT _bucket, name, target, type, sum(itemCount), sum(itemCount * duration)"
            f" FROM dependencies WHERE {condition} GROUP BY 1, 2, 3, 4"
        )
        for bucket, name, target, kind, count, total in request.store.execute(query, values):
            key = kind, target, name
            one = found.get(key)
            if one is None:
                one = found[key] = Dependency(kind, target, name, Durations())
            one.durations.add(bucket, count, total)
    return sorted(found.values(), key=lambda one: -one.durations.total)
