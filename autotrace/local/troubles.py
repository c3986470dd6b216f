"""What the pages tell of failures: requests, response codes, exceptions and dependency calls, each with a sample."""

from __future__ import annotations

import sqlite3
from typing import Any

from .scope import Scope
from .web import Request


def recent(request: Request, scope: Scope, most: int) -> list[sqlite3.Row]:
    """Return the requests that failed last, with what went wrong in `problem`, None where no exception tells."""
    return _rows(
        request,
        scope,
        "SELECT itemId, timestamp, _time, operation_Id, operation_Name, cloud_RoleName, resultCode, duration,"
        " (SELECT coalesce(type, '') || coalesce(': ' || message, '') FROM exceptions"
        " WHERE exceptions.operation_Id = requests.operation_Id AND exceptions.operation_ParentId = requests.id"
        " LIMIT 1) AS problem"
        " FROM requests WHERE {} AND NOT success ORDER BY _time DESC LIMIT ?",
        most,
    )


def codes(request: Request, scope: Scope) -> list[sqlite3.Row]:
    """Return the response codes of failed requests, the most frequent first."""
    return _rows(
        request,
        scope,
        "SELECT resultCode, sum(itemCount) AS count, operation_Id, max(_time) AS _time"
        " FROM requests WHERE {} AND NOT success GROUP BY 1 ORDER BY 2 DESC, 1",
    )


def exceptions(request: Request, scope: Scope) -> list[sqlite3.Row]:
    """Return the kinds of exceptions, the most frequent first, each with its newest message."""
    return _rows(
        request,
        scope,
        "SELECT type, problemId, sum(itemCount) AS count, message, operation_Id, max(_time) AS _time"
        " FROM exceptions WHERE {} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
    )


def dependencies(request: Request, scope: Scope) -> list[sqlite3.Row]:
    """Return the failed calls by what was called and its result, the most frequent first."""
    return _rows(
        request,
        scope,
        "SELECT type, target, name, resultCode, sum(itemCount) AS count, operation_Id, max(_time) AS _time"
        " FROM dependencies WHERE {} AND NOT success GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4",
    )


def _rows(request: Request, scope: Scope, query: str, *more: Any) -> list[sqlite3.Row]:
    """Run a query with the scope in place of `{}`; what stands beside `max(_time)` is of the newest row of a group."""
    condition, values = scope.where()
    return request.store.execute(query.format(condition), (*values, *more)).fetchall()
