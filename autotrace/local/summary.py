"""Items of all tables in one shape: what a line about an item says, whatever its kind."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple

from .tables import TABLES

# Characters of a text that a line may need; the page of the item has all of it.
_LONGEST = 1000
# What a page calls a type of items, where that is not what Logs calls it.
WORDS = {
    **{"customEvent": "event", "customMetric": "metric", "pageView": "page view", "browserTiming": "browser timing"},
    "availabilityResult": "availability",
}
SEVERITIES = ("Verbose", "Information", "Warning", "Error", "Critical")


class Summary(NamedTuple):
    """An item: its table and id there, and what most pages say of it; times in µs since 1970, durations in ms.

    `title` is its name or message, `kind` the type of a dependency or an exception, `place` a URL, target or place in
    the code, `data` a statement or the like. What its kind does not have is None.
    """

    table: str
    item_id: int
    time: int
    weight: float
    operation: str | None
    parent: str | None
    operation_name: str | None
    role: str | None
    instance: str | None
    id: str | None
    title: str | None
    kind: str | None
    place: str | None
    data: str | None
    success: int | None
    code: str | None
    duration: float | None
    severity: int | None

    @property
    def type(self) -> str:
        """What Logs calls the type of the item."""
        return TABLES[self.table].item_type

    @property
    def word(self) -> str:
        """What a page calls the type of the item."""
        return WORDS.get(self.type, self.type)

    @property
    def path(self) -> str:
        """The path of the item's page."""
        return f"/item/{self.table}/{self.item_id}"

    @property
    def is_timed(self) -> bool:
        """Whether it has an id that others name as their parent, and lasts."""
        return "id" in TABLES[self.table].columns

    @property
    def failed(self) -> bool:
        """Whether it is about a failure: no success, an exception, or a message of an error."""
        severe = isinstance(self.severity, (int, float)) and self.severity >= SEVERITIES.index("Error")
        return self.success == 0 or self.table == "exceptions" or (self.table == "traces" and severe)

    @property
    def status(self) -> str:
        """The outcome in words; empty for what has none."""
        if self.success is not None:
            words = "ok" if self.success else "failed"
            return f"{str(self.code)[:40]} {words}" if self.code else words
        return severity(self.severity)


def severity(level: Any) -> str:
    """Return the word for a severity level, as Logs has it; empty for none."""
    if level is None:
        return ""
    return SEVERITIES[level] if isinstance(level, int) and 0 <= level < len(SEVERITIES) else f"level {level}"[:40]


def clean(text: str) -> str:
    """Return a text of an address as SQLite can be asked for it: without halves of pairs."""
    return text.encode("utf-8", "replace").decode()


# What stands in place of a column of the same name; a table without such a column has nothing there.
_OWN: Mapping[str, Mapping[str, str]] = {
    "requests": {"title": "coalesce(name, url)", "place": "url"},
    "dependencies": {"title": "name", "kind": "type", "place": "target", "data": "data"},
    "exceptions": {"title": "coalesce(outerMessage, message)", "kind": "type", "place": "problemId"},
    "traces": {"title": "message"},
    "customEvents": {"title": "name"},
    "customMetrics": {"title": "name || ' = ' || value"},
    "pageViews": {"title": "coalesce(name, url)", "place": "url"},
    "browserTimings": {"title": "coalesce(name, url)", "place": "url", "duration": "totalDuration"},
    "availabilityResults": {"title": "name", "place": "location", "data": "message"},
}
_COMMON = {
    **{"item_id": "itemId", "time": "_time", "weight": "itemCount", "operation": "operation_Id"},
    **{"parent": "operation_ParentId", "operation_name": "operation_Name"},
    **{"role": "cloud_RoleName", "instance": "cloud_RoleInstance"},
}
_SAME = {"id": "id", "success": "success", "code": "resultCode", "duration": "duration", "severity": "severityLevel"}
_TEXTS = ("title", "kind", "place", "data")


def select(table: str) -> str:
    """Return the beginning of a query for summaries of a table's items, up to its FROM."""
    own = TABLES[table].columns
    found = {**_COMMON, **{name: column for name, column in _SAME.items() if column in own}, **_OWN[table]}
    columns = (
        f"'{table}'" if name == "table"
        else f"substr({found[name]}, 1, {_LONGEST})" if name in _TEXTS and name in found
        else found.get(name, "NULL")
        for name in Summary._fields
    )  # fmt: skip
    return f"SELECT {', '.join(columns)} FROM {table}"


def of_rows(rows: Iterable[Iterable[Any]]) -> list[Summary]:
    """Return what such queries have found."""
    return [Summary._make(row) for row in rows]
