"""Charts and texts: round marks, every value where it belongs, figures that say neither too much nor too little."""

from __future__ import annotations

import os
import time
from typing import Iterator

import pytest

from autotrace.local import axes, charts, texts
from autotrace.local.charts import Series
from autotrace.local.durations import Durations
from autotrace.local.tables import bucket_of

MINUTE = 60_000_000
# 14 November 2023, 22:13 in UTC.
MOMENT = 1_700_000_000_000_000 // MINUTE * MINUTE


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def grouped(*milliseconds: float) -> Durations:
    durations = Durations()
    for one in milliseconds:
        durations.add(bucket_of(one), 1, one)
    return durations


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (7, ["0", "2", "4", "6", "8"]),
        (0.4, ["0", "1"]),
        (1234, ["0", "500", "1k", "1.5k"]),
        (4_999_999, ["0", "1M", "2M", "3M", "4M", "5M"]),
    ],
)
def test_counts_have_whole_marks(highest: float, marks: list[str]) -> None:
    scale = axes.counts(highest)
    assert [tick.text for tick in scale.ticks] == marks
    assert scale.top >= highest
    # From the ground up, as evenly as the values are.
    places = [tick.at for tick in scale.ticks]
    assert places == sorted(places, reverse=True)
    assert places[0] == axes.HEIGHT


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        (0, ["0 ms", "200 µs", "400 µs", "600 µs", "800 µs", "1 ms"]),
        (0.28, ["0 ms", "100 µs", "200 µs", "300 µs"]),
        (45, ["0 ms", "10 ms", "20 ms", "30 ms", "40 ms", "50 ms"]),
        (950, ["0 ms", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
        (1900, ["0 ms", "500 ms", "1 s", "1.5 s", "2 s"]),
        (240_000, ["0 ms", "1 min", "2 min", "3 min", "4 min"]),
    ],
)
def test_durations_have_marks_with_units(highest: float, marks: list[str]) -> None:
    assert [tick.text for tick in axes.durations(highest).ticks] == marks


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("minutes", [30, 60, 360, 1440, 7 * 1440, 300 * 1440])
def test_times_have_few_round_marks(minutes: int) -> None:
    ticks = axes.times(MOMENT, minutes * MINUTE)
    assert 3 <= len(ticks) <= 8
    for tick in ticks:
        assert 0 <= tick.at <= 100
        if ":" in tick.text:
            assert int(tick.text.split(":")[1]) % 5 == 0
            assert minutes <= 360 or tick.text.endswith(":00")


def test_marks_are_where_their_times_are() -> None:
    for tick in axes.times(MOMENT, 60 * MINUTE):
        then = time.strftime("%H:%M", time.localtime(round(MOMENT / 1_000_000 + tick.at * 36)))
        assert then == tick.text


def test_a_stack_is_as_high_as_its_sum() -> None:
    chart = charts.stacked(
        "Requests", MOMENT, MINUTE, [Series("failed", "failed", [0, 5, 1]), Series("good", "succeeded", [10, 5, 0])]
    )
    heights = [sum(part.height for part in column.parts) for column in chart.columns]
    assert heights[0] == heights[1] == pytest.approx(10 * heights[2])
    first, second = chart.columns[1].parts
    assert (first.kind, second.kind) == ("failed", "good")
    assert first.top + first.height == pytest.approx(axes.HEIGHT)
    assert second.top + second.height == pytest.approx(first.top)
    assert chart.columns[1].text.endswith(": 5 failed, 5 succeeded")
    assert [row[1:] for row in chart.rows] == [["0", "10"], ["5", "5"], ["1", "0"]]


def test_one_failure_among_a_million_is_seen() -> None:
    chart = charts.stacked(
        "Requests", MOMENT, MINUTE, [Series("failed", "failed", [1]), Series("good", "succeeded", [1e6])]
    )
    assert chart.columns[0].parts[0].height >= 1


def test_a_line_ends_where_nothing_is() -> None:
    chart = charts.percentiles(MOMENT, MINUTE, [grouped(1), grouped(2), Durations(), grouped(4), Durations()])
    (high, _) = chart.lines
    assert high.path.count("M") == 2
    assert high.path.count("L") == 1
    # What has no neighbour is no line: it gets a dot.
    assert [left for left, _ in high.dots] == [70]
    assert len(chart.rows) == 3


def test_nothing_is_an_empty_chart() -> None:
    assert charts.stacked("Requests", MOMENT, MINUTE, [Series("good", "succeeded", [0, 0])]).empty
    assert charts.percentiles(MOMENT, MINUTE, [Durations()]).empty
    assert charts.distribution("Durations", Durations()).empty


def test_percentiles_are_of_what_is_there() -> None:
    assert Durations().percentile(50) is None
    assert Durations().mean is None
    durations = grouped(*range(1, 101))
    for percent in (1, 25, 50, 95, 99, 100):
        assert durations.percentile(percent) == pytest.approx(percent, rel=0.045)
    assert grouped(10, 1000).percentile(50) == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "\N{EN DASH}"), (0, "0 ms"), (0.0004, "0 ms"), (0.0123, "12.3 µs"), (0.9994, "999 µs")),
        *((0.9996, "1.00 ms"), (1, "1.00 ms"), (9.996, "10.0 ms"), (12.34, "12.3 ms"), (99.96, "100 ms")),
        *((999.4, "999 ms"), (999.6, "1.00 s"), (12_345, "12.3 s"), (59_940, "59.9 s"), (59_960, "1 min 0 s")),
        *((75_400, "1 min 15 s"), (3_600_000, "1 h 0 min"), (86_400_000 * 2, "48 h 0 min")),
    ],
)
def test_durations_have_three_digits(value: float | None, text: str) -> None:
    assert texts.milliseconds(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        *((0, 0, "\N{EN DASH}"), (0, 7, "0%"), (7, 7, "100%"), (1, 3, "33.3%"), (1, 100_000, "<0.1%")),
        *((99_999, 100_000, ">99.9%"), (999, 1000, "99.9%"), (0.1, 100, "0.1%")),
    ],
)
def test_a_part_never_looks_like_nothing_or_all(part: float, whole: float, text: str) -> None:
    assert texts.percent(part, whole) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        *((None, "none"), ("", "none"), ("x" * 160, "x" * 160), ("x" * 161, "x" * 159 + "…"), ("a\tb\nc", "a b c")),
        *(("a\u202eb", "a\\u202eb"), ("\ud800x", "\\ud800x"), ("\x00", "\\u0000"), ("👩‍👧 é 日本", "👩‍👧 é 日本")),
        *(("עברית", "עברית"), ("\ufeffx\u2028", "\\ufeffx\\u2028")),
    ],
)
def test_foreign_texts_are_short_and_visible(text: str | None, seen: str) -> None:
    assert texts.short(text, "none") == seen


def test_a_text_is_one_segment_of_a_path() -> None:
    assert texts.segment("../a b?c#d/é\ud800") == "..%2Fa%20b%3Fc%23d%2F%C3%A9%3F"


def test_times_have_a_date_where_they_are_not_of_today() -> None:
    now = int(time.time() * 1e6)
    assert len(texts.moment(now)) == len("12:00:00")
    assert "2023" in texts.moment(MOMENT)
    assert texts.ago(now) == "just now"
    assert texts.ago(now - 90 * MINUTE) == "1 hour ago"
    assert texts.ago(now - 49 * 60 * MINUTE) == "2 days ago"
