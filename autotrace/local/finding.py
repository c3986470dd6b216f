"""Finding items by their texts and properties, the newest first.

A text is looked for in the rows themselves, one after the other: 300,000 of them take a fifth of a second. An index of
words would make each item dearer to write, for the sake of what is rarely done, and would not know parts of words.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Sequence

from . import summary
from .scope import Scope
from .summary import Summary
from .tables import TABLES, columns_of
from .web import Request

# Words of a text that are looked for: more would be slow, and say nothing new.
_MOST_WORDS = 8
# Characters of one: SQLite takes no patterns that are much longer.
_LONGEST_WORD = 1000
# Items of a table that are looked at from the newest on, by the index of times: a common text is found there.
_NEAR = 5000
# Columns in which texts are looked for, in every table that has them.
_SEARCHED = (
    *("name", "url", "target", "data", "type", "message", "problemId", "outerMessage", "details", "resultCode"),
    *("operation_Name", "customDimensions", "operation_Id", "id"),
)
# Those that hold JSON, in which some characters of a text are written in another way.
_JSON = ("details", "customDimensions")
_CURSOR = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,2})\.([0-9]{1,18})", re.ASCII).fullmatch
_ESCAPED = r"ESCAPE '\'"
_RANKS = {name: rank for rank, name in enumerate(TABLES)}


class Cursor(NamedTuple):
    """The item behind which a page begins: its time in µs since 1970, the rank of its table, its id."""

    time: int
    rank: int
    item: int


class Wanted(NamedTuple):
    """What is looked for: items that have all `words`, are in `tables`, and have a status and result code if any."""

    words: Sequence[str]
    tables: Sequence[str]
    status: str
    code: str
    before: Cursor | None


class Found(NamedTuple):
    """A page of items, and the cursor of the page with older ones; empty where there are none."""

    items: Sequence[Summary]
    older: str


def cursor_of(text: str) -> Cursor | None:
    """Return a cursor that a link has; None for what is none."""
    match = _CURSOR(text)
    return Cursor(*map(int, match.groups())) if match else None


def find(request: Request, scope: Scope, wanted: Wanted, most: int) -> Found:
    """Return the newest items that are wanted, `most` of them."""
    items: list[Summary] = []
    for table in wanted.tables:
        query = _query(table, scope, wanted)
        if query is not None:
            items += _of_table(request, table, query, bool(wanted.words), most + 1)
    items.sort(key=lambda item: (-item.time, _RANKS[item.table], -item.item_id))
    shown = items[:most]
    if len(items) <= most:
        return Found(shown, "")
    last = shown[-1]
    return Found(shown, f"{last.time}.{_RANKS[last.table]}.{last.item_id}")


class _Query(NamedTuple):
    """A condition of SQL for what can be told without a text, one for all of it, and the parameters of each."""

    plain: str
    plain_values: list[Any]
    whole: str
    values: list[Any]


def _of_table(request: Request, table: str, query: _Query, with_text: bool, most: int) -> list[Summary]:
    newest = "ORDER BY _time DESC, itemId DESC LIMIT"
    select, execute = summary.select(table), request.store.execute
    if not with_text:
        return summary.of_rows(execute(f"{select} WHERE {query.whole} {newest} {most}", query.values))
    near = f"SELECT itemId FROM {table} WHERE {query.plain} {newest}"
    sql = f"{select} WHERE itemId IN ({near} {_NEAR}) AND {query.whole} {newest} {most}"
    found = summary.of_rows(execute(sql, (*query.plain_values, *query.values)))
    if len(found) == most or not execute(f"{near} 1 OFFSET {_NEAR}", query.plain_values).fetchone():
        return found
    # In the order in which they are stored, which is three times as fast for all of them.
    return summary.of_rows(execute(f"{select} NOT INDEXED WHERE {query.whole} {newest} {most}", query.values))


def _query(table: str, scope: Scope, wanted: Wanted) -> _Query | None:
    """Return the conditions for a table; None where nothing in it can be wanted."""
    columns = columns_of(table)
    condition, values = scope.where()
    words = [condition]
    if wanted.status and "success" in columns:
        words.append("success" if wanted.status == "successful" else "NOT success")
    elif wanted.status == "failed" and "severityLevel" in columns:
        # As Summary.failed has it.
        words.append("severityLevel >= 3" if table == "traces" else "1")
    elif wanted.status:
        return None
    if wanted.code:
        if "resultCode" not in columns:
            return None
        words.append("resultCode = ?")
        values.append(wanted.code)
    before = wanted.before
    if before is not None:
        words.append("(_time < ? OR (_time = ? AND (? < ? OR (? = ? AND itemId < ?))))")
        rank = _RANKS[table]
        values += (before.time, before.time, before.rank, rank, before.rank, rank, before.item)
        # For the index, which cannot tell it from the line above.
        words.append("_time <= ?")
        values.append(before.time)
    plain, plain_values = " AND ".join(words), list(values)
    searched = [column for column in _SEARCHED if column in columns]
    for word in wanted.words[:_MOST_WORDS]:
        patterns = [
            (column, pattern)
            for spelled in _spellings(word[:_LONGEST_WORD])
            for column in searched
            for pattern in _patterns(column, spelled)
        ]
        words.append(f"({' OR '.join(f'{column} LIKE ? {_ESCAPED}' for column, _ in patterns)})")
        values += (pattern for _, pattern in patterns)
    return _Query(plain, plain_values, " AND ".join(words), values)


def _spellings(word: str) -> list[str]:
    """Return a word in upper and lower case where SQLite, which knows these of ASCII alone, would not see the same."""
    return [word] if word.isascii() else list(dict.fromkeys((word, word.lower(), word.upper(), word.capitalize())))


def _patterns(column: str, word: str) -> list[str]:
    """Return the patterns of LIKE for a word anywhere in a column."""
    written = [word]
    if column in _JSON:
        written.append(json.dumps(word, ensure_ascii=False)[1:-1])
    return ["%" + re.sub(r"([%_\\])", r"\\\1", one) + "%" for one in dict.fromkeys(written)]
