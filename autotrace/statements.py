"""SQL as it may be told: the statement without its values, and a short name for it."""

from __future__ import annotations

import re
from typing import NamedTuple

from .urls import remember

# Characters of a statement that are looked at.
_LONGEST = 10_000
# One with more characters than this is long: such as an ORM's with all columns of some tables. To look at it takes a
# third of a millisecond, so that some of them are remembered too.
_LONG = 2000
_LONG_ONES = 100
_HIDDEN = "?"
# What is kept as it is, in front of what is hidden: a quoted name, and a word with its digits or a placeholder.
_NAMES = (
    r'(?P<name>"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[A-Za-z_][\w $.]*\]|[:@$%]?[A-Za-z_][\w$]*|[$:]\d+|%\(\w+\)s)'
)
_COMMENT = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_NUMBER = r"0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PREFIX = r"(?:\b(?:[eEnNbBxXrR]|[uU]&|_\w+ ?))?"
_PLAIN = r"'(?:[^']|'')*(?:'|\Z)"
# A backslash escapes a quote, or it does not: a text is over where both agree.
_ESCAPED = r"'(?:[^'\\]|''|\\.)*(?:'|\Z)"
_DOLLARS = r"\$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|\Z)"
_POSTGRESQL = rf"\b[eE]{_ESCAPED}|{_PREFIX}{_PLAIN}|{_DOLLARS}|{_NUMBER}"
_MYSQL = rf'{_PREFIX}{_ESCAPED}|"(?:[^"\\]|""|\\.)*(?:"|\Z)|{_NUMBER}'
_OTHER = rf"{_PREFIX}{_PLAIN}|{_DOLLARS}|{_NUMBER}"
_DIALECTS = {
    kind: re.compile(f"(?P<comment>{comment})|(?P<value>{values})|{_NAMES}", re.DOTALL)
    for kind, comment, values in (
        ("postgresql", _COMMENT, _POSTGRESQL),
        ("mysql", _COMMENT + r"|#[^\n]*", _MYSQL),
        ("sqlite", _COMMENT, _OTHER),
        ("", _COMMENT, _OTHER),
    )
}
# Verbs that are about a table.
_TABULAR = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP", "TRUNCATE"])
_TABLE = re.compile(
    r"\b(?:FROM|INTO|UPDATE|TABLE)\s+(?:ONLY\s+|IF\s+(?:NOT\s+)?EXISTS\s+)?([\w$.\"`\[\]]+)", re.IGNORECASE
)
_NO_NAME = re.compile(r"[^\w$.]")
_VERB = re.compile(r"[\s(;]*([A-Za-z]+)")
_known: dict[tuple[str, str], Told] = {}
_known_long: dict[tuple[str, str], Told] = {}


class Told(NamedTuple):
    """A statement without its values, and its name: the verb and the first table."""

    name: str
    text: str


def tell(kind: str, statement: str) -> Told:
    """Return what may be told of a statement; `kind` is the type of the database, such as `postgresql`."""
    is_long = len(statement) > _LONG
    if is_long:
        statement = statement[:_LONGEST]
    cache = _known_long if is_long else _known
    known = cache.get((kind, statement))
    if known is None:
        text = _without_values(kind, statement)
        known = Told(_name(text), text)
        if is_long and len(cache) >= _LONG_ONES:
            cache.clear()
        remember(cache, (kind, statement), known)
    return known


def _without_values(kind: str, statement: str) -> str:
    if kind not in _DIALECTS and "\\" in statement:
        # Whether it escapes a quote is for the database to know.
        statement = statement.partition("'")[0] + ("'" if "'" in statement else "")
    pattern = _DIALECTS.get(kind) or _DIALECTS[""]
    return " ".join(pattern.sub(_told, statement).split())


def _told(match: re.Match[str]) -> str:
    if match.lastgroup == "comment":
        return " "
    return match[0] if match.lastgroup == "name" else _HIDDEN


def _name(text: str) -> str:
    verb = _VERB.match(text)
    if verb is None:
        return "SQL"
    word = verb[1].upper()
    table = _TABLE.search(text) if word in _TABULAR else None
    return word if table is None else f"{word} {_NO_NAME.sub('', table[1])}"
