"""Turns the texts of settings into values; parsers raise ValueError with the reason, in words for users."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Callable, Mapping

from autotrace.expressions import Expression, parse

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
# Plain text, compiled at the first use: most processes need none of them.
_GUID = r"(?i)([0-9a-f]{8})-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
_PATTERN = r"\s*re:"
_HOST = r"[\w*.-]+(?::\d{1,5})?|\[[0-9a-fA-F:.]+\](?::\d{1,5})?"
# In the order of their numbers, which are ten apart.
LOG_LEVELS = ("off", "debug", "info", "warning", "error", "critical")


def given(environ: Mapping[str, str], variable: str) -> str:
    """Return the text of a variable without what shells and files leave around it; empty when it is unset."""
    text = environ.get(variable, "")
    # Bytes that the interpreter could not decode in its locale are UTF-8 in most cases.
    with suppress(UnicodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8")
    text = text.strip(" \t\r\n\v\f\0\ufeff")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def shown(text: str, expression: bool = False) -> str:
    """Quote a text for a message; of an expression only the name."""
    name, *arguments = re.split("[(=]", text, maxsplit=1) if expression else [text]
    return "'" + shortened(name, 60) + ("..." if arguments else "") + "'"


def shortened(text: str, length: int) -> str:
    """Return printable text of about `length` characters; instrumentation keys are cut after 8 of theirs."""
    text = re.sub(_GUID, r"\1...", text)
    if len(text) > length:
        text = text[:length] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(text: str, words: tuple[str, ...]) -> str:
    """Return a hint at the word that `text` may be meant to be, empty when there is none."""
    # Needed for mistakes only, and not free.
    from difflib import get_close_matches

    matches = get_close_matches(text[:60].lower(), [word.lower() for word in words], 1, 0.75)
    return "".join(f" (did you mean {word}?)" for word in words if word.lower() in matches)


def flag(text: str) -> bool:
    """Parse a yes or no."""
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError("it is neither yes nor no")
    return text.lower() in _TRUE


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """Return a parser of one of `words` in any case."""

    def parse_word(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("it is none of the accepted words")
        return text.lower()

    return parse_word


def word_or_expression(words: tuple[str, ...]) -> Callable[[str], str | Expression]:
    """Return a parser of one of `words` in any case, or of an expression."""

    def parse_word_or_expression(text: str) -> str | Expression:
        return text.lower() if text.lower() in words else _expression(text)

    return parse_word_or_expression


def sampler(text: str) -> float | Expression:
    """Parse a sampling rate from 0 to 1, in words, as a number or in percent, or a sampler's expression."""
    if text.lower() in ("always_on", "always_off"):
        return 1.0 if text.lower() == "always_on" else 0.0
    percent = text.endswith("%")
    try:
        rate = float(text[:-1] if percent else text)
    except ValueError:
        return _expression(text)
    if percent:
        rate /= 100
    # Written so that nan fails as well.
    if not 0.0 <= rate <= 1.0:
        raise ValueError("a rate lies between 0 and 1")
    return abs(rate)


def _expression(text: str) -> Expression:
    if "." not in text and "(" not in text:
        raise ValueError("it is none of the accepted words")
    return parse(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of a whole number from `low` to `high`."""

    def parse_number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ValueError(f"it is not a whole number from {low} to {high}")
        return int(text)

    return parse_number


def name(text: str) -> str:
    """Accept any text without control characters."""
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise ValueError("it contains control characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it is not UTF-8")
    return text


def log_level(text: str) -> int | None:
    """Parse a level of the logging module, or off."""
    word = text.lower()
    if word not in LOG_LEVELS:
        raise ValueError("it is none of the accepted words")
    return None if word == "off" else 10 * LOG_LEVELS.index(word)


def directory(text: str) -> str:
    """Accept an absolute path; `~` is the home directory."""
    path = os.path.expanduser(text)
    # Servers change their directory: a relative path would mean another place in each process.
    if not os.path.isabs(path) or "\0" in path:
        raise ValueError("it is not an absolute path")
    return path


def file(text: str) -> str:
    """Accept the absolute path of a file, which need not be there yet; `~` is the home directory."""
    path = directory(text)
    if not os.path.isdir(os.path.dirname(path)):
        raise ValueError("its directory does not exist")
    if os.path.isdir(path):
        raise ValueError("it is a directory")
    return path


def entries(text: str) -> tuple[str, ...]:
    """Split a comma list; entries are stripped, empty ones dropped.

    A comma after a backslash is part of the entry, and so is one inside the brackets of an entry that begins
    with `re:` and closes them.
    """
    found: list[str] = []
    start = 0
    brackets = True
    while start < len(text):
        end = _end_of_entry(text, start, brackets)
        if end is None:
            brackets = False
            continue
        found.append(text[start:end].replace("\\,", ",").strip())
        start = end + 1
    return tuple(filter(None, found))


def _end_of_entry(text: str, start: int, brackets: bool) -> int | None:
    """Return where the entry ends that begins at `start`; None when `brackets` count and one stays open."""
    pattern = re.match(_PATTERN, text[start : start + 40]) is not None
    closing: list[str] = []
    position = start
    while position < len(text):
        character = text[position]
        if character == "\\" and (pattern or text.startswith(",", position + 1)):
            position += 1
        elif character == "," and not closing:
            return position
        elif pattern and brackets:
            _follow_brackets(closing, character)
        position += 1
    return None if closing else len(text)


def _follow_brackets(closing: list[str], character: str) -> None:
    """Keep the stack of brackets still to be closed; inside [...] other brackets mean themselves."""
    if closing and character == closing[-1]:
        closing.pop()
    elif character in _CLOSING and closing[-1:] != ["]"]:
        closing.append(_CLOSING[character])


def status_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Parse a comma list of HTTP statuses and ranges of them into pairs (lowest, highest)."""
    return tuple(_status_range(entry) for entry in entries(text))


def _status_range(entry: str) -> tuple[int, int]:
    low, dash, high = (part.strip() for part in entry.partition("-"))
    number = whole_number(100, 999)
    try:
        pair = (number(low), number(high if dash else low))
    except ValueError:
        raise ValueError("it is not a list of statuses") from None
    if pair[0] > pair[1]:
        raise ValueError("a range of it goes backwards")
    return pair


def url_query(text: str) -> str | tuple[str, ...]:
    """Parse redact, keep or drop in any case, or a comma list of keys."""
    return text.lower() if text.lower() in ("redact", "keep", "drop") else entries(text)


def blacklist_entry(entry: str) -> str:
    """Accept what the blacklist can compile."""
    # Only a process that has a blacklist needs its module here.
    from autotrace.blacklist import compile_entries

    compile_entries([entry])
    return entry


def host(entry: str) -> str:
    """Accept `host` or `host:port`."""
    if not re.fullmatch(_HOST, entry):
        raise ValueError("it is not written host or host:port")
    return entry
