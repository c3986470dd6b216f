"""What the service's answers say: the fate of each item, the reasons, and when to come again."""

from __future__ import annotations

import json
import time
from typing import Any, Iterator, NamedTuple

# Seconds that are asked for at most.
_LONGEST_PAUSE = 86_400.0


class Refused(NamedTuple):
    """An item that was not accepted: its place in the batch from 0, its status and why."""

    place: int
    status: int
    message: str


def refused(body: bytes, count: int) -> Iterator[Refused]:
    """Yield what an answer says of refused items of a batch of `count`; what makes no sense is passed over."""
    for error in _errors(body):
        place, status = error.get("index"), error.get("statusCode")
        if type(place) is int and type(status) is int and 0 <= place < count:
            yield Refused(place, status, short(error.get("message")))


def reasons(body: bytes) -> str:
    """Return the reasons that an answer gives, a few of them, empty when it gives none."""
    return "; ".join(sorted({short(error.get("message")) for error in _errors(body)})[:3])


def received(body: bytes) -> Any:
    """Return how many items the endpoint found in a batch, as it says; None when it does not."""
    try:
        return json.loads(body).get("itemsReceived")
    except (ValueError, AttributeError, RecursionError):
        return None


def is_item(line: bytes) -> bool:
    """Tell whether a line of a batch is JSON as an item is."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        errors = json.loads(body).get("errors", [])
    except (ValueError, AttributeError, RecursionError):
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def short(text: Any) -> str:
    """Return a stranger's words as they may stand in a line: printable, and not many."""
    return "".join(character for character in str(text)[:200] if character.isprintable())


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a Retry-After header asks for, as seconds or as a date; None when it asks for none."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError, IndexError):
            return None
    return min(seconds, _LONGEST_PAUSE) if seconds > 0 else None
