"""How figures and foreign texts are written in the pages: the filters of the templates."""

from __future__ import annotations

import math
import time
import unicodedata
from typing import Any, Callable, Mapping
from urllib.parse import quote

from .rows import timestamp

NONE = "\N{EN DASH}"
# Characters of a name or message that a list shows; a page of the item has all of it.
_LONGEST = 160


def milliseconds(value: float | None) -> str:
    """Return a duration in milliseconds with three digits that count and the unit that suits it."""
    if value is None:
        return NONE
    if value < 0.0005:
        return "0 ms"
    if value < 0.9995:
        return f"{_digits(value * 1000)} µs"
    if value < 999.5:
        return f"{_digits(value)} ms"
    if value < 59_950:
        return f"{_digits(value / 1000)} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def tick(value: float) -> str:
    """Return a round duration in milliseconds, for an axis."""
    if value >= 60_000 and value % 60_000 == 0:
        return f"{value / 60_000:g} min"
    if value >= 1000:
        return f"{value / 1000:g} s"
    return f"{value:g} ms" if value >= 1 or value == 0 else f"{value * 1000:g} µs"


def count(value: float | None) -> str:
    """Return how many there are; what stands for others in a sample is counted with them, so it need not be whole."""
    return NONE if value is None else f"{round(value):,}"


def short_count(value: float) -> str:
    """Return a round count, for an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def rate(value: float | None) -> str:
    """Return how many there are in some time, of which there may be less than one."""
    if value is None:
        return NONE
    return count(value) if value >= 100 else f"{value:.1f}" if value >= 0.05 or value == 0 else "<0.1"


def percent(part: float, whole: float) -> str:
    """Return a part of a whole; what is not nothing, or not all, never looks as if it were."""
    if not whole:
        return NONE
    share = 100 * part / whole
    if part and share < 0.1:
        return "<0.1%"
    if part < whole and share > 99.9:
        return ">99.9%"
    return f"{share:.0f}%" if share >= 99.95 or not part else f"{share:.1f}%"


def moment(microseconds: int) -> str:
    """Return a time since 1970 as a clock on this machine shows it, with the date where that is not today."""
    then, now = time.localtime(microseconds // 1_000_000), time.localtime()
    clock = time.strftime("%H:%M:%S", then)
    if then[:3] == now[:3]:
        return clock
    day = f"{then.tm_mday} {time.strftime('%b', then)}"
    return f"{day} {clock}" if then.tm_year == now.tm_year else f"{day} {then.tm_year} {clock}"


def ago(microseconds: int) -> str:
    """Return how long a time since 1970 is past, roughly."""
    seconds = time.time() - microseconds / 1_000_000
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def short(text: str | None, missing: str = NONE, longest: int = _LONGEST) -> str:
    """Return a foreign text as a list shows it: not too long, and nothing in it that is invisible or turns text around.

    `missing` stands for none.
    """
    if not text:
        return missing
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut if cut.isascii() and cut.isprintable() else "".join(map(_visible, cut))


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text.encode("utf-8", "replace"), safe="")


def _visible(character: str) -> str:
    # Control characters, those that set the direction, halves of pairs, line ends. One of them joins emoji.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and character != "\u200d":
        return " " if character in "\t\r\n" else f"\\u{ord(character):04x}"
    return character


def _digits(value: float) -> str:
    """Return three digits that count."""
    places = max(2 - math.floor(math.log10(value)), 0) if value > 0 else 0
    text = f"{value:.{places}f}"
    return f"{value:.{places - 1}f}" if places and len(text.replace(".", "").lstrip("0")) > 3 else text


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ms": milliseconds,
    # Not `count`, which Jinja has.
    "number": count,
    "rate": rate,
    "percent": percent,
    "moment": moment,
    "ago": ago,
    "iso": timestamp,
    "short": short,
    "segment": segment,
}
