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
# What is kept as it is: a quoted name, which SQLite may take for a text where it is no plain one; a word with its
# digits, or a placeholder.
_DOUBLE, _TICKS = r'"(?:[^"]|"")*(?:"|\Z)', r"`[^`]*(?:`|\Z)"
_PLAIN = r'"[^\W\d][\w$]*"'
_QUOTED, _PLAIN_QUOTED = f"{_DOUBLE}|{_TICKS}", f"{_PLAIN}|{_TICKS}"
_BRACKETS = r"\[[^\]]*(?:\]|\Z)"
_WORDS = r"[:@$%]?[^\W\d][\w$]*|%\(\w+\)s"
_NUMBERED = r"[$:]\d+"
_DASHES, _BLOCK = r"--[^\n]*", r"/\*.*?(?:\*/|\Z)"
# PostgreSQL's comments nest: behind one in another it is not certain what is still a comment.
_ONE_BLOCK = r"/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/|/\*.*\Z"
_NUMBER = r"\.?\d[\w.]*(?:(?<=[eE])[-+]?\d+)?"
_PREFIX = r"(?:\b(?:[eEnNbBxXrR]|[uU]&|_\w+ ?))?"
_TEXT = rf"{_PREFIX}'(?:[^']|'')*(?:'|\Z)"
# What is no plain name.
_STRANGE = f"(?!{_PLAIN}){_DOUBLE}"
_DOLLARS = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
# Oracle's, with any delimiter.
_CUSTOM = (
    r"\b[nN]?[qQ]'(?:\[.*?(?:\]'|\Z)|\{.*?(?:\}'|\Z)|<.*?(?:>'|\Z)|\(.*?(?:\)'|\Z)|(?P<mark>.).*?(?:(?P=mark)'|\Z))"
)
# Comments, values and names of each kind of database; the last is for all others.
_DIALECTS = {
    kind: re.compile(f"(?P<comment>{comment})|(?P<value>{values})|(?P<name>{names})", re.DOTALL)
    for kind, comment, values, names in (
        (
            "postgresql",
            f"{_DASHES}|{_ONE_BLOCK}",
            rf"{_TEXT}|{_DOLLARS}|{_NUMBER}|(?<!:):\d+",
            rf"{_QUOTED}|\$\d+|{_WORDS}",
        ),
        (
            "mysql",
            rf"--(?=\s|\Z)[^\n]*|#[^\n]*|{_BLOCK}",
            f"{_TEXT}|{_DOUBLE}|{_DOLLARS}|{_NUMBER}",
            f"{_QUOTED}|{_WORDS}",
        ),
        (
            "sqlite",
            f"{_DASHES}|{_BLOCK}",
            f"{_TEXT}|{_STRANGE}|{_NUMBER}",
            f"{_PLAIN_QUOTED}|{_BRACKETS}|{_NUMBERED}|{_WORDS}",
        ),
        (
            "SQL",
            f"{_DASHES}|{_BLOCK}",
            rf"{_TEXT}|{_STRANGE}|{_NUMBER}|\$\d[\d.]*",
            rf"{_PLAIN_QUOTED}|{_BRACKETS}|:\d+|{_WORDS}",
        ),
        ("", f"{_DASHES}|{_BLOCK}", f"{_CUSTOM}|{_TEXT}|{_DOLLARS}|{_NUMBER}", f"{_QUOTED}|{_NUMBERED}|{_WORDS}"),
    )
}
# From where on a backslash makes it uncertain which quote ends a text: not in SQLite, in PostgreSQL in these texts.
_UNCERTAIN = {"postgresql": re.compile(r"\b[eE]'"), "": re.compile("['\"]")}
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
    if "\\" in statement and kind != "sqlite":
        uncertain = _UNCERTAIN.get(kind, _UNCERTAIN[""]).search(statement)
        if uncertain is not None:
            statement = statement[: uncertain.start()] + "'"
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
