"""The axes of charts: which values are round enough to be marked, and where they are."""

from __future__ import annotations

import math
import time
from typing import Callable, NamedTuple, Sequence

from . import texts
from .tables import bucket_of

# Pixels: of a chart's drawing, and above its highest tick.
HEIGHT = 168
ABOVE = 8
_MOST_TIMES = 7
_MOST_DURATIONS = 8
_MOST_UP = 5
_SECOND = 1_000_000
# Seconds between marks on an axis of time.
_TIME_STEPS = (
    *(5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600),
    *(86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400, 91 * 86_400, 364 * 86_400),
)
# Milliseconds between marks from two minutes on, where ten of something is not round.
_LONG_STEPS = (30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 4 * 3_600_000, 86_400_000)


class Tick(NamedTuple):
    """A mark on an axis: where it is (percent of the width, or pixels from the top), and what it says.

    `anchor` is SVG's text-anchor; a narrow screen has no room for one that is `spare`.
    """

    at: float
    text: str
    anchor: str = "middle"
    spare: bool = False


class Scale(NamedTuple):
    """An axis upwards: its marks, and the value at `ABOVE` pixels from the top."""

    ticks: list[Tick]
    top: float

    def height(self, value: float) -> float:
        """Return how many pixels a value is above the ground; one that is not nothing can be seen."""
        return max(value / self.top * (HEIGHT - ABOVE), 1.5) if value else 0.0


def counts(highest: float) -> Scale:
    """Return an axis of counts up to a highest one."""
    return _scale(max(_step(max(highest, 1)), 1), highest, texts.short_count)


def durations(highest: float) -> Scale:
    """Return an axis of durations up to a highest one, in milliseconds."""
    highest = highest or 1
    step = _step(highest)
    if highest >= 120_000:
        step = next((long for long in _LONG_STEPS if highest / long <= _MOST_UP), step)
    return _scale(step, highest, texts.tick)


def times(start: int, span: int) -> list[Tick]:
    """Return the marks of an axis of time, both in microseconds: what a clock or a calendar shows as round."""
    begin, seconds = start // _SECOND, span / _SECOND
    step = next((step for step in _TIME_STEPS if seconds / step <= _MOST_TIMES), _TIME_STEPS[-1])
    zone = time.localtime(begin).tm_gmtoff
    first = -(-(begin + zone) // step) * step - zone
    return [
        _across(100 * (moment - begin) / seconds, clock(moment * _SECOND, step * _SECOND), number)
        for number, moment in enumerate(range(first, int(begin + seconds) + 1, step))
    ]


def logarithmic(low: int, high: int) -> list[Tick]:
    """Return the marks of an axis of durations between two buckets: one or more for each power of ten."""
    found: list[Tick] = []
    for sizes in ((1, 2, 5), (1, 3), (1,)):
        found = []
        for value in (_round(size * 10.0**power) for power in range(-3, 10) for size in sizes):
            at = 100 * (place(value) - low) / (high - low)
            if 0 <= at <= 100 and bucket_of(value) >= 0:
                found.append(_across(at, texts.tick(value), len(found)))
        if len(found) <= _MOST_DURATIONS:
            break
    return found


def place(milliseconds: float) -> float:
    """Return where a duration is on a scale of buckets."""
    return math.log2(max(milliseconds * 1000, 1)) * 16


def clock(moment: int, step: int) -> str:
    """Return a time as short as the steps between such times allow; both are in microseconds."""
    then = time.localtime(moment // _SECOND)
    if step >= 86_400 * _SECOND:
        return f"{then.tm_mday} {time.strftime('%b', then)}"
    return time.strftime("%H:%M:%S" if step < 60 * _SECOND else "%H:%M", then)


def dated(moment: int, step: int) -> str:
    """Return a time as `clock` does, with its day where that is not today."""
    then, short = time.localtime(moment // _SECOND), clock(moment, step)
    if step >= 86_400 * _SECOND or then[:3] == time.localtime()[:3]:
        return short
    return f"{then.tm_mday} {time.strftime('%b', then)} {short}"


def path(values: Sequence[float | None], scale: Scale) -> str:
    """Return an SVG path through values, 1000 units wide; it is interrupted where there is none."""
    words, drawing = [], False
    for index, value in enumerate(values):
        if value is not None:
            at = 1000 * (index + 0.5) / len(values)
            words.append(f"{'L' if drawing else 'M'}{at:.1f} {HEIGHT - scale.height(value):.1f}")
        drawing = value is not None
    return "".join(words)


def lonely(values: Sequence[float | None], scale: Scale) -> list[tuple[float, float]]:
    """Return the places, in percent from the left and pixels from the top, of values that a path does not show."""
    around = (None, *values, None)
    return [
        (round(100 * (index + 0.5) / len(values), 3), round(HEIGHT - scale.height(value), 1))
        for index, value in enumerate(values)
        if value is not None and around[index] is around[index + 2] is None
    ]


def _across(at: float, text: str, number: int) -> Tick:
    return Tick(round(at, 3), text, "start" if at < 4 else "end" if at > 96 else "middle", number % 2 == 1)


def _scale(step: float, highest: float, name: Callable[[float], str]) -> Scale:
    number = max(math.ceil(highest / step - 1e-9), 1)
    ticks = [
        Tick(round(HEIGHT - index / number * (HEIGHT - ABOVE), 2), name(_round(index * step)), "end")
        for index in range(number + 1)
    ]
    return Scale(ticks, number * step)


def _step(highest: float) -> float:
    """Return 1, 2 or 5 times a power of ten: the smallest of which `highest` has few."""
    power: float = 10.0 ** math.floor(math.log10(highest / _MOST_UP))
    return next((size * power for size in (1, 2, 5) if highest / (size * power) <= _MOST_UP + 1e-9), 10 * power)


def _round(value: float) -> float:
    # 3 * 0.2 is not 0.6.
    return float(f"{value:.6g}")
