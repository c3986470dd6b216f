"""What the pages of figures show: a range of time, one role or all, one operation or all, synthetic traffic or none."""

from __future__ import annotations

import time
from typing import Any, Iterable, Mapping, NamedTuple
from urllib.parse import urlencode

from . import texts, web
from .summary import clean
from .tables import TABLES

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
# Later than every time in a store, in microseconds.
_FOREVER = 1 << 62


class Range(NamedTuple):
    """A length of time that ends now: its seconds, and the seconds of a bar in its charts; 0 where it depends."""

    title: str
    short: str
    seconds: int
    step: int


RANGES: Mapping[str, Range] = {
    "30m": Range("the last 30 minutes", "30 min", 1800, 30),
    "1h": Range("the last hour", "1 h", 3600, 60),
    "6h": Range("the last 6 hours", "6 h", 6 * 3600, 300),
    "24h": Range("the last 24 hours", "24 h", 24 * 3600, 1200),
    "7d": Range("the last 7 days", "7 days", 7 * 86_400, 3 * 3600),
    "all": Range("all that is stored", "All", 0, 0),
}
DEFAULT = "1h"
# Seconds of a bar that a clock or a calendar shows as round.
_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600),
    *(86_400, 2 * 86_400, 7 * 86_400, 28 * 86_400),
)
_MOST_BARS = 72
# What the pages of figures tell of.
_TABLES = ("requests", "dependencies", "exceptions")
# Seconds that the clock of another machine may be ahead without a word about it.
_AHEAD = 60


class Scope(NamedTuple):
    """What is looked at; times are in microseconds since 1970.

    `role` and `operation` are empty for all. There is no end: `until` is the end of the last bar, in which is counted
    what another machine's clock puts behind it. `note` is for the user, and empty where there is nothing to say.
    """

    range: str
    role: str
    synthetic: bool
    operation: str
    start: int
    until: int
    step: int
    note: str = ""

    def where(self, *, role: bool = True, between: tuple[int, int] | None = None) -> tuple[str, list[Any]]:
        """Return a condition of SQL for any table, and its parameters.

        `between` narrows it to a slice of the time; without `role` it is for all roles and operations.
        """
        # Never two conditions where one will do: SQLite would begin to read at the one it sees first.
        words = ["_time >= ?"]
        values: list[Any] = [self.start if between is None else between[0]]
        if between is not None:
            words.append("_time < ?")
            values.append(between[1])
        if role and self.role:
            words.append("cloud_RoleName = ?")
            values.append(self.role)
        if role and self.operation:
            words.append("operation_Name = ?")
            values.append(self.operation)
        if not self.synthetic:
            words.append("coalesce(operation_SyntheticSource, '') = ''")
        return " AND ".join(words), values

    def slices(self, most: int | None = None) -> list[tuple[int, int]]:
        """Return the time in slices, from and to: its bars, or at the most so many.

        SQLite groups the rows of one after the other faster than all at once. The last one has no end.
        """
        bars = range(self.start, self.until, self.step * (1 if most is None else -(-self.bars // most)))
        return list(zip(bars, (*bars[1:], _FOREVER)))

    @property
    def bars(self) -> int:
        """How many bars a chart over time has."""
        return (self.until - self.start) // self.step

    @property
    def title(self) -> str:
        """The range in words."""
        return RANGES[self.range].title

    def query(self, **changes: str) -> str:
        """Return the query of a link, with its `?`: this scope with changes of its fields, as texts; empty if usual."""
        now = {
            "range": self.range,
            "role": self.role,
            "synthetic": "show" if self.synthetic else "hide",
            "operation": self.operation,
            **changes,
        }
        usual = {"range": DEFAULT, "role": "", "synthetic": "show", "operation": ""}
        said = urlencode({name: value for name, value in now.items() if value != usual[name]}, errors="replace")
        return said and "?" + said


def of(request: web.Request) -> Scope:
    """Return the scope that the query of a page asks for; what it does not understand is as if it were not said."""
    chosen, notes = request.get("range", DEFAULT) or DEFAULT, []
    if chosen not in RANGES:
        notes.append(f"“{texts.short(chosen, longest=20)}” is no range of time: this is {RANGES[DEFAULT].title}.")
        chosen = DEFAULT
    synthetic = request.get("synthetic", "show") or "show"
    if synthetic not in ("show", "hide"):
        notes.append(f"“{texts.short(synthetic, longest=20)}” is neither “show” nor “hide”: all traffic is shown.")
    now = int(time.time() * _SECOND)
    span = RANGES[chosen]
    start = now - span.seconds * _SECOND
    if not span.seconds:
        start = min(_edge(request, "min"), default=now - 3600 * _SECOND)
        # It may all be dated ahead. Nothing on this machine's calendar is that far away: the charts would have one bar.
        start = min(max(start, now - 3650 * _DAY), now)
    latest = max(_edge(request, "max"), default=now)
    if latest > now + _AHEAD * _SECOND:
        notes.append(
            f"Some items are dated up to {texts.moment(latest)}: the clock of the machine that sent them is ahead. "
            "Charts count them at their right end."
        )
    step = span.step or _step((now - start) / _SECOND)
    zone = time.localtime(now // _SECOND).tm_gmtoff
    first, end = ((moment // _SECOND + zone) // step * step - zone for moment in (start, now))
    return Scope(
        chosen, clean(request.get("role")), synthetic != "hide", clean(request.get("operation")), first * _SECOND,
        (end + step) * _SECOND, step * _SECOND, " ".join(notes),
    )  # fmt: skip


def latest(request: web.Request) -> int | None:
    """Return when the newest item of the store was made, None where it has none."""
    return max(_edge(request, "max", TABLES), default=None)


def range_of(moment: int) -> str:
    """Return the shortest range that reaches back to a time."""
    seconds = time.time() - moment / _SECOND
    return next((name for name, span in RANGES.items() if span.seconds > seconds), "all")


def _edge(request: web.Request, which: str, tables: Iterable[str] = _TABLES) -> list[int]:
    """Return the first or last time of each table that has rows: one step in its index."""
    found = (request.store.execute(f"SELECT {which}(_time) FROM {table}").fetchone()[0] for table in tables)
    return [moment for moment in found if moment is not None]


def _step(seconds: float) -> int:
    return next((step for step in _STEPS if seconds / step <= _MOST_BARS), _STEPS[-1])
