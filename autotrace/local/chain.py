"""The exceptions of an item, read for people: `details` is what somebody sent, so nothing about its shape is sure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

# Exceptions of a chain, and frames of one of them, that a page shows.
_MOST_ERRORS = 20
_MOST_FRAMES = 200


class Frame(NamedTuple):
    """A place in a stack; `where` is the file with its line."""

    method: str
    where: str
    assembly: str


class Error(NamedTuple):
    """One exception: its type and message, its frames, the throw site first, or else its stack as text.

    `more` frames are left out.
    """

    type: str
    message: str
    frames: list[Frame]
    stack: str
    more: int


def errors_of(details: Any) -> list[Error]:
    """Return the chain of exceptions in the column `details`, the outermost first; empty where it holds none."""
    try:
        found = json.loads(details)
    except (TypeError, ValueError, RecursionError):
        return []
    return [_error(one) for one in found[:_MOST_ERRORS] if isinstance(one, dict)] if isinstance(found, list) else []


def _error(one: dict[str, Any]) -> Error:
    stack = one.get("parsedStack")
    frames = [frame for frame in stack if isinstance(frame, dict)] if isinstance(stack, list) else []
    frames.sort(key=_level)
    shown = [_frame(frame) for frame in frames[:_MOST_FRAMES]]
    return Error(_text(one.get("typeName")), _text(one.get("message")), shown, _text(one.get("stack")),
                 len(frames) - len(shown))  # fmt: skip


def _level(frame: dict[str, Any]) -> float:
    # Sorting is stable: frames without a level stay as they were sent.
    level = frame.get("level")
    return level if isinstance(level, (int, float)) else 0


def _frame(frame: dict[str, Any]) -> Frame:
    file, line = _text(frame.get("fileName")), _text(frame.get("line"))
    where = f"{file or 'line'}:{line}" if line and line != "0" else file
    return Frame(_text(frame.get("method")) or "(unknown)", where, _text(frame.get("assembly")))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
