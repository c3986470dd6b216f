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


# Weights, of which sampling makes fractions.
_SUMS = "sum(itemCount), sum(itemCount * (NOT success)), sum(itemCount * duration)"


def of(request: Request, scope: Scope) -> Figures:
    """Return the figures of a scope."""
    whole = Operation(None, None)
    operations: dict[tuple[Any, Any], Operation] = {}
    condition, values = scope.where()
    query = f"SELECT cloud_RoleName, operation_Name, _bucket, {_SUMS} FROM requests WHERE {condition} GROUP BY 1, 2, 3"
    for role, name, bucket, count, failed, total in request.store.execute(query, values):
        operation = operations.get((role, name))
        if operation is None:
            operation = operations[role, name] = Operation(role, name)
        operation.durations.add(bucket, count, total)
        operation.failed += failed
    for operation in operations.values():
        whole.durations.update(operation.durations)
        whole.failed += operation.failed
    first, last = request.store.execute(
        f"SELECT min(_time), max(_time) FROM requests WHERE {condition}",
        values,
    ).fetchone()
    ordered = sorted(operations.values(), key=lambda operation: -operation.count)
    return Figures(whole, ordered, _bars(request, scope), ((last or 0) - (first or 0)) / 60_000_000)


def _bars(request: Request, scope: Scope) -> list[Bar]:
    """Return the requests of each step of time: one short query each, which is faster than one that sorts all."""
    condition, values = scope.where()
    query = f"SELECT _bucket, {_SUMS} FROM requests WHERE {condition} AND _time >= ? AND _time < ? GROUP BY 1"
    bars = []
    for number in range(scope.bars):
        bar = Bar()
        start = scope.start + number * scope.step
        # The last one has what is dated in the future.
        end = start + scope.step if number < scope.bars - 1 else 1 << 62
        for bucket, count, failed, total in request.store.execute(query, (*values, start, end)):
            bar.durations.add(bucket, count, total)
            bar.failed += failed
        bars.append(bar)
    return bars


def roles(request: Request, scope: Scope) -> list[str]:
    """Return the roles that answered requests in the range, whatever role is chosen; the chosen one is among them."""
    condition, values = scope.where(role=False, operation=False)
    query = f"SELECT DISTINCT cloud_RoleName FROM requests WHERE {condition}"
    found = {role for (role,) in request.store.execute(query, values) if role}
    return sorted(found | ({scope.role} if scope.role else set()))
