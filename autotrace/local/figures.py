"""What the pages tell of requests: by operation and over time. Counts are of what happened, not of what was sampled."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from .durations import Durations
from .scope import Scope
from .web import Request


class Operation:
    """The requests of one role that have one name; both may be None."""

    def __init__(self, role: str | None, name: str | None) -> None:
        self.role = role
        self.name = name
        self.failed = 0.0
        self.durations = Durations()

    @property
    def count(self) -> float:
        """How many requests there were."""
        return self.durations.count


class Bar:
    """The requests of one step of time."""

    def __init__(self) -> None:
        self.failed = 0.0
        self.durations = Durations()


class Figures(NamedTuple):
    """All requests of a scope: together, by operation (those with most first), and a bar for each step of time."""

    whole: Operation
    operations: Sequence[Operation]
    bars: Sequence[Bar]
    minutes: float

    @property
    def per_minute(self) -> float | None:
        """How many requests a minute there were, from the first to the last one; None for less than a minute."""
        return self.whole.count / self.minutes if self.minutes >= 1 else None


def of(request: Request, scope: Scope) -> Figures:
    """Return the figures of a scope."""
    operations: dict[tuple[Any, Any], Operation] = {}
    bars = []
    for between in scope.slices():
        bar = Bar()
        condition, values = scope.where(between=between)
        # The bucket first: SQLite compares numbers faster than names.
        query = (
            "SELECT _bucket, cloud_RoleName, operation_Name, sum(itemCount), sum(itemCount * (NOT success)),"
            f" sum(itemCount * duration) FROM requests WHERE {condition} GROUP BY 1, 2, 3"
        )
        for bucket, role, name, count, failed, total in request.store.execute(query, values):
            operation = operations.get((role, name))
            if operation is None:
                operation = operations[role, name] = Operation(role, name)
            operation.durations.add(bucket, count, total)
            operation.failed += failed
            bar.durations.add(bucket, count, total)
            bar.failed += failed
        bars.append(bar)
    whole = Operation(None, None)
    for operation in operations.values():
        whole.durations.update(operation.durations)
        whole.failed += operation.failed
    ordered = sorted(operations.values(), key=lambda operation: -operation.count)
    return Figures(whole, ordered, bars, _minutes(request, scope))


def _minutes(request: Request, scope: Scope) -> float:
    """Return the time between the first and the last request."""
    condition, values = scope.where()
    edge = f"SELECT _time FROM requests WHERE {condition} ORDER BY _time"
    query = f"SELECT * FROM ({edge} LIMIT 1) UNION ALL SELECT * FROM ({edge} DESC LIMIT 1)"
    moments = [moment for (moment,) in request.store.execute(query, (*values, *values))]
    return (moments[1] - moments[0]) / 60_000_000 if moments else 0.0


def roles(request: Request, scope: Scope) -> list[str]:
    """Return the roles that answered requests in the range, whatever role is chosen; the chosen one is among them."""
    condition, values = scope.where(role=False)
    query = f"SELECT DISTINCT cloud_RoleName FROM requests WHERE {condition}"
    found = {role for (role,) in request.store.execute(query, values) if role}
    return sorted(found | ({scope.role} if scope.role else set()))
