"""The rules for items: what the service takes can be stored, and what it refuses is refused in its words."""

from __future__ import annotations

import contextlib
import copy
import json
import pathlib
import sqlite3
import time
from typing import Any, Iterator

import pytest

from autotrace.local import rows, rules
from autotrace.local.store import Store
from autotrace.local.tables import TABLES
from tests import schema
from tests.local.viewing import BASES, FRAME, item

NOW = int(time.time() * 1e6)


def said(found: Any, size: int = 1000) -> list[str]:
    """Return what is wrong with an item."""
    return rules.faults(found, size, int(time.time() * 1e6))


def without(kind: str, name: str) -> dict[str, Any]:
    """Make an item that lacks a field of its data."""
    found = item(kind)
    del found["data"]["baseData"][name]
    return found


@pytest.mark.parametrize(
    ("kind", "spelling", "table"),
    [("PageView", "PageviewData", "pageViews"), ("PageViewPerf", "PageviewPerformanceData", "browserTimings")],
)
def test_an_item_as_the_sdk_for_browsers_spells_its_type_is_taken(kind: str, spelling: str, table: str) -> None:
    found = item(kind, surplus=1)
    found["data"]["baseType"] = spelling
    assert said(found) == []
    assert rules.unknown(found) == [f"Field 'surplus' on type '{kind}Data' is not known and not kept"]
    assert rows.row_of(found)[0] == table


def test_of_an_item_that_is_too_long_nothing_else_is_told() -> None:
    assert said(item(duration="never"), rules.ITEM_BYTES + 1) == ["Telemetry item length must not exceed 65536"]


@pytest.mark.parametrize("kind", BASES)
def test_an_item_of_each_type_is_taken(kind: str) -> None:
    assert said(item(kind)) == []
    assert rules.unknown(item(kind)) == []


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            without("Request", "responseCode"),
            "109: Field 'responseCode' on type 'RequestData' is required but missing or empty. "
            "Expected: string, Actual: undefined",
        ),
        (
            item("RemoteDependency", name=""),
            "109: Field 'name' on type 'RemoteDependencyData' is required but missing or empty. "
            "Expected: string, Actual: ",
        ),
        (
            without("Request", "duration"),
            "106: Field 'duration' on type 'RequestData' is of incorrect type. Expected: string, Actual: undefined",
        ),
        (
            item(url="x" * 2049),
            "100: Field 'url' on type 'RequestData' is too long. Expected: 2048 characters, Actual: 2049",
        ),
        (
            item(tags={"ai.operation.name": "n" * 1025}),
            "100: Field 'ai.operation.name' on type 'ContextTagKeys' is too long. "
            "Expected: 1024 characters, Actual: 1025",
        ),
        (
            item("Exception", exceptions=[{"message": "m", "parsedStack": "File ..."}]),
            "106: Field 'parsedStack' on type 'ExceptionDetails' is of incorrect type. Expected: array, Actual: string",
        ),
        (
            item("Exception", exceptions=[{"message": "m", "parsedStack": [{**FRAME, "fileName": "f" * 1025}]}]),
            "100: Field 'fileName' on type 'StackFrame' is too long. Expected: 1024 characters, Actual: 1025",
        ),
        (
            item("PageView", duration="00:00:02.227.99999999988358"),
            "108: Field 'duration' on type 'PageViewData' is not a valid duration string. "
            "Expected: TimeSpan DD.HH:MM:SS.MMMMMM format, Actual: 00:00:02.227.99999999988358",
        ),
        (
            {**item(), "time": "fake"},
            "102: Field 'time' on type 'Envelope' is not a valid time string. Expected: date, Actual: fake",
        ),
        ({**item(), "iKey": "none"}, "Invalid instrumentation key"),
        ([], "106: The item is of incorrect type. Expected: object, Actual: array"),
    ],
)
def test_what_is_wrong_is_said_as_the_service_says_it(found: Any, text: str) -> None:
    assert said(found) == [text]


def test_an_item_may_be_two_days_old_and_two_hours_early() -> None:
    assert said(item(age=48 * 3600 - 60)) == said(item(age=-2 * 3600 + 60)) == []
    (old,) = said(item(age=48 * 3600 + 60))
    assert old.startswith(
        "103: Field 'time' on type 'Envelope' is older than the allowed min date. Expected: now - 17280"
    )
    (early,) = said(item(age=-2 * 3600 - 60))
    assert early.startswith("103: Field 'time' on type 'Envelope' is newer than the allowed max date.")


def test_an_item_may_have_65536_bytes() -> None:
    assert said(item(), 65_536) == []
    assert said(item(), 65_537) == ["Telemetry item length must not exceed 65536"]


@pytest.mark.parametrize(
    "when",
    [
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "now",
        "0000-01-01T00:00:00Z",
        "2024-01-01",
        "٢٠٢٤-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_said(when: str) -> None:
    assert said({**item(), "time": when})[0].startswith("102: ")


def test_a_time_may_be_spelled_as_clients_do() -> None:
    for zone in ("Z", "", "+00:00", "-01:00", "+0100"):
        for fraction in ("", ".1", ".123", ".1234567", ".123456789"):
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 7200)) + fraction + zone
            assert said({**item(), "time": text}) == [], text


@pytest.mark.parametrize(
    "duration", ["0.00:00:00.0000000", "999.23:59:59.9999999", "00:00:00", "1:2:3", "00:00:00.1234567"]
)
def test_durations_that_are_taken(duration: str) -> None:
    assert said(item(duration=duration)) == []


@pytest.mark.parametrize(
    "duration", ["", "12", "-00:00:01", "24:00:00", "00:60:00", "1000.00:00:00", "PT1S", "00:00:01Z"]
)
def test_durations_that_are_refused(duration: str) -> None:
    assert [text[:4] for text in said(item(duration=duration))] == ["108:"]


def test_properties_are_texts_and_measurements_finite_numbers() -> None:
    assert said(item(properties={"a": 1}))[0].startswith("106: Field 'properties.a' on type 'RequestData' is of")
    assert said(item(properties={"k" * 151: "v"}))[0].startswith("100: A key of field 'properties' on type")
    assert said(item(properties={"k": "v" * 8193}))[0].startswith("100: Field 'properties.k' on type 'RequestData'")
    assert said(item(measurements={"a": "1"}))[0].startswith("106: Field 'measurements.a' on type 'RequestData' is of")
    assert said(item(measurements={"a": float("inf")}))[0].startswith("106: ")
    assert said(item(measurements={"a": 10**400}))[0].startswith("106: ")
    assert said(item(measurements={"a": True}))[0].startswith("106: ")
    # JavaScript spells NaN so.
    assert said(item(measurements={"a": None}, properties={"b": None})) == []


def test_all_that_is_wrong_is_listed() -> None:
    found = item(url="x" * 3000, success="yes", tags={"ai.cloud.role": 5})
    assert [text[:4] for text in said(found)] == ["106:", "106:", "100:"]


def test_fields_that_the_service_does_not_know_are_taken_and_told_about() -> None:
    found = item(respCode="200")
    found["Time"] = "now"
    assert said(found) == []
    assert rules.unknown(found) == [
        "Field 'Time' on type 'Envelope' is not known and not kept",
        "Field 'respCode' on type 'RequestData' is not known and not kept",
    ]
    nested = item("Exception", exceptions=[{"message": "m", "parsedStack": [{**FRAME, "lineNumber": 4}]}])
    assert rules.unknown(nested) == ["Field 'lineNumber' on type 'StackFrame' is not known and not kept"]


ODD: list[Any] = [
    None, "", "x", "x" * 600, "x" * 40_000, "a\0b", "\ud800", "😀", 0, -1, 1, 2, 5, 1.5, 10**9, 10**30, 10**400,
    1e308, -1e308, 5e-324, True, False, [], [None], [{}], [[]], {}, {"a": None}, {"a": "b"}, {"a": 1}, {"": ""},
    "00:00:01", "Error", "critical", "2024-01-01T00:00:00Z", float("inf"), float("nan"),
]  # fmt: skip


# Of which null, numbers that 32 bits do not hold, and others that the suite's checker is stricter or laxer about.
PLAIN = ["", "x", "x" * 600, "x" * 40_000, 0, -1, 1.5, [], [None], [{}], {"a": 1}, "00:00:01", "Error", float("inf")]
GONE = object()


def variants(values: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield items of all types, each with one field replaced by each of `values`, or left out."""

    def places(value: Any) -> Iterator[tuple[Any, Any]]:
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            if isinstance(entry, (dict, list)):
                yield from places(entry)

    for kind in BASES:
        whole = {**item(kind), "sampleRate": 50, "seq": "a:1", "flags": 0}
        whole["data"]["baseData"].setdefault("properties", {"a": "b"})
        whole["data"]["baseData"].setdefault("measurements", {"a": 1.5})
        for number in range(len(list(places(whole)))):
            for value in (*values, GONE):
                found = copy.deepcopy(whole)
                holder, key = list(places(found))[number]
                if value is GONE:
                    del holder[key]
                else:
                    holder[key] = value
                yield found


def test_whatever_is_taken_can_be_stored_and_read(tmp_path: pathlib.Path) -> None:
    taken = [found for found in variants(ODD) if not said(found)]
    assert len(taken) > 1000
    store = Store(str(tmp_path / "store.db"), 7, 500)
    store.write([rows.row_of(found) for found in taken], 5)
    store.close()
    total = 0
    with contextlib.closing(sqlite3.connect(str(tmp_path / "store.db"))) as connection:
        for table in TABLES:
            columns = "itemCount, json(customDimensions), json(customMeasurements)"
            for count, texts, numbers in connection.execute(f"SELECT {columns} FROM {table}"):
                total += 1
                assert 0 < count < 1e9
                assert all(isinstance(value, str) for value in json.loads(texts or "{}").values())
                assert all(isinstance(value, (int, float)) for value in json.loads(numbers or "{}").values())
        for (details,) in connection.execute("SELECT json(details) FROM exceptions"):
            assert json.loads(details)[0]["message"]
    assert total == len(taken)


def test_what_the_suites_own_checker_takes_or_refuses_is_taken_or_refused() -> None:
    compared = 0
    for found in variants(PLAIN):
        base_type = (found.get("data") or {}).get("baseType") if isinstance(found.get("data"), dict) else None
        # It does not know these.
        if base_type not in ("PageViewData", "PageViewPerfData", "AvailabilityData"):
            theirs = [fault.text for fault in schema.faults(found, 1000) if fault.code]
            assert bool(said(found)) == bool(theirs), (found, theirs)
            compared += 1
    assert compared > 2000
