"""Charts as numbers and texts: `templates/_charts.html` draws them as SVG, and escapes what it gets.

Places are in percent of the width and in pixels of the height, so that a chart is as wide as there is room.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from . import axes, texts
from .axes import HEIGHT, Tick
from .durations import Durations

# The most bars that a distribution has.
_CLASSES = 48
# The percentiles that are shown over time, the highest first: the others are drawn over it.
_PERCENTILES = (95, 50)


class Part(NamedTuple):
    """A piece of a bar: what it shows (a class of the style sheet), its top and its height in pixels."""

    kind: str
    top: float
    height: float


class Column(NamedTuple):
    """A bar: its left edge and width in percent, its pieces from the bottom up, and what it says in words."""

    left: float
    width: float
    parts: Sequence[Part]
    text: str


class Line(NamedTuple):
    """A line: what it shows (a class of the style sheet), and an SVG path, 1000 units wide and HEIGHT high.

    `dots` are the places of what no line leads to, in percent from the left and pixels from the top.
    """

    kind: str
    path: str
    dots: Sequence[tuple[float, float]] = ()


class Chart(NamedTuple):
    """All that is drawn. `label` tells it to who cannot see it; `head` and `rows` are the same data as a table.

    `marks` are values pointed out in a distribution. `keys` are the kinds of parts and lines with what they are
    called: the legend, which is empty where there is only one.
    """

    label: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    across: Sequence[Tick] = ()
    up: Sequence[Tick] = ()
    columns: Sequence[Column] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Tick] = ()
    keys: Sequence[tuple[str, str]] = ()
    height: int = HEIGHT

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.rows


class Series(NamedTuple):
    """Counts over time: what they show (a class of the style sheet), what that is called, a count for each step."""

    kind: str
    name: str
    values: Sequence[float]


def stacked(title: str, start: int, step: int, series: Sequence[Series]) -> Chart:
    """Return a chart of counts over time, the first series at the bottom; times are in microseconds."""
    sums = [sum(values) for values in zip(*(one.values for one in series))]
    scale = axes.counts(max(sums))
    columns: list[Column] = []
    rows: list[Sequence[str]] = []
    for index in range(len(sums)):
        parts, top = [], float(HEIGHT)
        for one in series:
            height = scale.height(one.values[index])
            top -= height
            if height:
                parts.append(Part(one.kind, round(top, 2), round(height, 2)))
        numbers = [texts.count(one.values[index]) for one in series]
        said = ", ".join(f"{number} {one.name}" for number, one in zip(numbers, series))
        columns.append(_column(index, len(sums), parts, f"{_between(start + index * step, step)}: {said}"))
        if sums[index]:
            rows.append([axes.dated(start + index * step, step), *numbers])
    label = f"{title}: " + ", ".join(f"{texts.count(sum(one.values))} {one.name}" for one in series)
    if any(sums):
        most = max(range(len(sums)), key=sums.__getitem__)
        label += f"; most at {axes.dated(start + most * step, step)}: {texts.count(sums[most])}"
    return Chart(
        label,
        ["From", *(one.name.capitalize() for one in series)],
        rows,
        axes.times(start, step * len(sums)),
        scale.ticks,
        columns,
        keys=[(one.kind, one.name) for one in series] if len(series) > 1 else (),
    )


def percentiles(start: int, step: int, groups: Sequence[Durations]) -> Chart:
    """Return a chart of percentiles over time, a group of durations for each step; times are in microseconds."""
    found = {percent: [one.percentile(percent) for one in groups] for percent in _PERCENTILES}
    known = {percent: [value for value in values if value is not None] for percent, values in found.items()}
    scale = axes.durations(max(known[_PERCENTILES[0]], default=0))
    columns: list[Column] = []
    rows: list[Sequence[str]] = []
    for index, group in enumerate(groups):
        if group.count:
            values = [texts.milliseconds(found[percent][index]) for percent in _PERCENTILES]
            said = ", ".join(f"p{percent} {value}" for percent, value in zip(_PERCENTILES, values))
            columns.append(_column(index, len(groups), (), f"{_between(start + index * step, step)}: {said}"))
            rows.append([axes.dated(start + index * step, step), *values])
    ranges = (
        f"p{percent} between {texts.milliseconds(min(values))} and {texts.milliseconds(max(values))}"
        for percent, values in known.items()
        if values
    )
    return Chart(
        "Durations over time: " + ", ".join(ranges),
        ["From", *(f"p{percent}" for percent in _PERCENTILES)],
        rows,
        axes.times(start, step * len(groups)),
        scale.ticks,
        columns,
        [Line(f"p{one}", axes.path(values, scale), axes.lonely(values, scale)) for one, values in found.items()],
        keys=[(f"p{percent}", f"p{percent}") for percent in _PERCENTILES],
    )


def distribution(title: str, durations: Durations, percents: Sequence[int] = (50, 95, 99)) -> Chart:
    """Return a chart of how many took how long, on a logarithmic scale."""
    if not durations.buckets:
        return Chart(title)
    low, width, number = _classes(durations)
    counts = [0.0] * number
    for bucket, (count, _) in durations.buckets.items():
        # A bucket ends with its number.
        counts[(bucket - 1 - low) // width] += count
    scale = axes.counts(max(counts))
    columns: list[Column] = []
    rows: list[Sequence[str]] = []
    for index, count in enumerate(counts):
        if count:
            ends = (texts.milliseconds(2 ** ((low + at * width) / 16) / 1000) for at in (index, index + 1))
            row = [" to ".join(ends), texts.count(count), texts.percent(count, durations.count)]
            height = scale.height(count)
            part = Part("good", round(HEIGHT - height, 2), round(height, 2))
            columns.append(_column(index, number, [part], f"{row[0]}: {row[1]} ({row[2]})"))
            rows.append(row)
    marks, words = [], []
    for percent in percents:
        value = durations.percentile(percent) or 0
        at = 100 * (axes.place(value) - low) / (number * width)
        words.append(f"p{percent} {texts.milliseconds(value)}")
        # On the right of its line, which the next one's, lower down, does not cross.
        marks.append(Tick(round(at, 3), f"p{percent}", "end" if at > 88 else "start"))
    return Chart(
        f"{title}: {', '.join(words)}",
        ["Duration", "Requests", "Part"],
        rows,
        axes.logarithmic(low, low + number * width),
        scale.ticks,
        columns,
        marks=marks,
    )


def _classes(durations: Durations) -> tuple[int, int, int]:
    """Return the bucket before the first class, the buckets of a class, and how many classes there are."""
    low, high = min(durations.buckets) - 1, max(durations.buckets)
    # One bucket alone would be as broad as the chart.
    margin = 12 if high - low < 24 else 2
    low, high = low - margin, high + margin
    widths = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
    width = next((width for width in widths if (high - low) / width <= _CLASSES), high - low)
    return low, width, -(-(high - low) // width)


def _column(index: int, number: int, parts: Sequence[Part], text: str) -> Column:
    return Column(round(100 * index / number, 3), round(100 / number, 3), parts, text)


def _between(moment: int, step: int) -> str:
    return f"{axes.dated(moment, step)} to {axes.clock(moment + step, step)}"
