"""SQL over the store: a query, its rows as a table or as a file."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sqlite3
from typing import Any

from .. import examples, queries, summary
from ..queries import Bounds
from ..tables import TABLES, columns_of
from ..web import Request, Response, render

# Characters of a query: it is in the address of the page, so that it can be kept as a bookmark.
LONGEST = 6000
_PAGE = Bounds(rows=1000, size=4 << 20, longest=500)
_FILE = Bounds(rows=100_000, size=32 << 20, longest=0)
# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def page(request: Request) -> Response:
    """Return the page with a query's rows, or these as a file where `format` is `csv` or `json`."""
    sql = summary.clean(request.get("q"))
    if len(sql) > LONGEST:
        said = (
            f"This query has {len(sql):,} characters. It is part of the page's address, which has room for {LONGEST:,}."
        )
        return _page(sql[:LONGEST], error=said)
    if not sql:
        return _page("")
    path = _path_of(request.store)
    if request.get("format") in ("csv", "json"):
        return _file(path, sql, request.get("format"))
    rows: list[list[Any]] = []
    outcome = queries.run(path, sql, _PAGE, rows.append)
    columns, *rows = rows or [[]]
    return _page(sql, columns, rows, outcome.cut, outcome.error, outcome.seconds)


def _path_of(store: sqlite3.Connection) -> str:
    # Names of files need not be text.
    store.text_factory = os.fsdecode
    path: str = store.execute("PRAGMA database_list").fetchone()[2]
    return path


def _page(
    sql: str, columns: Any = (), rows: Any = (), cut: bool = False, error: str = "", seconds: float = 0
) -> Response:
    return render(
        "logs.html",
        400 if error else 200,
        **{"title": "Logs", "active": "/logs", "sql": sql, "columns": columns, "rows": rows, "cut": cut},
        **{"error": error, "seconds": seconds, "examples": examples.EXAMPLES, "longest": LONGEST},
        # Their names stand above the digits.
        **{
            "numeric": [
                all(isinstance(row[place], (int, float, type(None))) for row in rows) for place in range(len(columns))
            ]
        },
        **{"tables": {name: columns_of(name) for name in TABLES}, "most": _PAGE.rows, "most_of_file": _FILE.rows},
    )


def _file(path: str, sql: str, kind: str) -> Response:
    body = io.BytesIO()
    text = io.TextIOWrapper(body, "utf-8", "replace", newline="", write_through=False)
    writer = _Csv(text) if kind == "csv" else _Json(text)
    outcome = queries.run(path, sql, _FILE, writer.take)
    if outcome.error:
        return _page(sql, error=outcome.error, seconds=outcome.seconds)
    writer.end()
    text.flush()
    # Where else could it be said, so that whoever opens the file later sees it?
    name = f"autotrace-logs{'-cut' if outcome.cut else ''}.{kind}"
    content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    return Response(body.getvalue(), 200, content_type, [("Content-Disposition", f'attachment; filename="{name}"')])


class _Csv:
    """Writes rows as CSV, without anything that a spreadsheet would run."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._writer = csv.writer(file)

    def take(self, row: list[Any]) -> None:
        self._writer.writerow([_harmless(value) for value in row])

    def end(self) -> None:
        """Nothing comes behind the last row."""


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class _Json:
    """Writes rows as an array of objects."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file = file
        self._columns: list[str] = []
        self._before = "["

    def take(self, row: list[Any]) -> None:
        if not self._columns:
            # Columns of one name would be one field.
            for name in row:
                tried, number = name, 1
                while tried in self._columns:
                    number += 1
                    tried = f"{name}_{number}"
                self._columns.append(tried)
            return
        values = (None if isinstance(value, float) and not math.isfinite(value) else value for value in row)
        self._file.write(self._before + "\n" + json.dumps(dict(zip(self._columns, values)), ensure_ascii=False))
        self._before = ","

    def end(self) -> None:
        self._file.write("\n]\n" if self._before == "," else "[]\n")
