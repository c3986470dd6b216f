"""The store: what is written is there once, whoever writes and whatever lies in its place, and it stays bounded."""

from __future__ import annotations

import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import Any, Iterable

import pytest

from autotrace.local import rows
from autotrace.local.place import StoreError
from autotrace.local.store import Store
from autotrace.local.tables import TABLES, bucket_of, columns_of, middle_of

NOW = time.time()


def item(number: int, age: float = 0.0, **base: Any) -> dict[str, Any]:
    """Make a request item that began `age` seconds ago; its id is `number`."""
    data = {"ver": 2, "id": f"{number:016x}", "duration": "0.00:00:00.0123456", "responseCode": "200", **base}
    return {
        "name": "Microsoft.ApplicationInsights.Request",
        "time": rows.timestamp(int((NOW - age) * 1e6)),
        "iKey": "00000000-0000-0000-0000-000000000000",
        "tags": {"ai.operation.id": f"{number:032x}", "ai.operation.name": "GET /", "ai.cloud.role": "shop"},
        "data": {"baseType": "RequestData", "baseData": {"name": "GET /", "success": True, **data}},
    }


def lines(items: Iterable[dict[str, Any]]) -> bytes:
    """Spell items as a spool has them."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in items)


def read(path: object, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in a store."""
    with closing(sqlite3.connect(str(path))) as connection:
        return connection.execute(query).fetchall()


def write(path: object, items: Iterable[dict[str, Any]], days: int = 7, megabytes: int = 500) -> None:
    """Write the lines of items into a store."""
    store = Store(str(path), days, megabytes)
    store.write_lines(lines(items), 5)
    store.close()


def test_a_request_has_the_columns_of_application_insights(tmp_path: pathlib.Path) -> None:
    full = item(7, url="http://shop.example/", properties={"process.pid": "9"}, measurements={"bytes": 5.5})
    full["sampleRate"] = 25
    write(tmp_path / "t.db", [full])
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM requests").fetchall()
    said = {key: row[key] for key in row.keys() if row[key] is not None}  # noqa: SIM118 - a Row is no mapping
    assert said.pop("_time") == int(NOW * 1e6)
    assert said.pop("_bucket") == bucket_of(12.3456)
    assert said == {
        "itemId": 1,
        "timestamp": full["time"],
        "id": f"{7:016x}",
        "name": "GET /",
        "url": "http://shop.example/",
        "success": 1,
        "resultCode": "200",
        "duration": 12.3456,
        "performanceBucket": "<250ms",
        "itemType": "request",
        "itemCount": 4.0,
        "customDimensions": '{"process.pid":"9"}',
        "customMeasurements": '{"bytes":5.5}',
        "operation_Name": "GET /",
        "operation_Id": f"{7:032x}",
        "cloud_RoleName": "shop",
        "iKey": "00000000-0000-0000-0000-000000000000",
    }


CHAIN = [
    {"typeName": "shop.Error", "message": "outer", "parsedStack": [{"level": 0, "method": "a.b", "assembly": "a"}]},
    {"typeName": "KeyError", "message": "inner", "parsedStack": [{"level": 0, "method": "c.d", "assembly": "c"}]},
]
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dependencies": (
        {"name": "SELECT", "duration": "1.02:03:04.5", "type": "SQL", "target": "db", "data": "SELECT ?"},
        {"duration": 93784500.0, "type": "SQL", "target": "db", "data": "SELECT ?", "success": 1, "id": None},
    ),
    "exceptions": (
        {"exceptions": CHAIN, "severityLevel": "Error", "problemId": "p"},
        {"type": "shop.Error", "message": "outer", "method": "a.b", "innermostType": "KeyError", "severityLevel": 3},
    ),
    "traces": ({"message": "hello", "severityLevel": 2}, {"message": "hello", "severityLevel": 2}),
    "customEvents": ({"name": "sold"}, {"name": "sold"}),
    "customMetrics": (
        {"metrics": [{"name": "queue", "value": 12, "count": 4}]},
        {"name": "queue", "value": 3.0, "valueCount": 4, "valueSum": 12.0},
    ),
    "pageViews": (
        {"name": "Home", "url": "http://x/", "duration": "00:00:01.5"},
        {"name": "Home", "duration": 1500.0, "performanceBucket": "1sec-3sec"},
    ),
    "browserTimings": ({"name": "Home", "perfTotal": "00:00:00.2"}, {"totalDuration": 200.0}),
    "availabilityResults": (
        {"id": "1", "name": "ping", "duration": "00:00:00.1", "success": False, "runLocation": "Oslo"},
        {"name": "ping", "location": "Oslo", "success": 0, "duration": 100.0},
    ),
}


@pytest.mark.parametrize("table", KINDS)
def test_each_kind_of_item_has_its_table(table: str, tmp_path: pathlib.Path) -> None:
    base, expected = KINDS[table]
    other = item(1)
    other["data"] = {"baseType": TABLES[table].base_type, "baseData": {"ver": 2, **base}}
    write(tmp_path / "t.db", [other])
    columns = ", ".join(expected)
    assert read(tmp_path / "t.db", f"SELECT {columns} FROM {table}") == [tuple(expected.values())]
    assert read(tmp_path / "t.db", f"SELECT itemType FROM {table}") == [(TABLES[table].item_type,)]


def test_the_tables_are_as_declared(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "t.db", [])
    for table in TABLES:
        assert [row[1] for row in read(tmp_path / "t.db", f"PRAGMA table_info({table})")] == list(columns_of(table))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.5", "2026-01-02T03:04:05.500000Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
        ("2026-01-02T03:04:05.25-0130", "2026-01-02T04:34:05.250000Z"),
    ],
)
def test_times_are_written_alike(text: str, expected: str) -> None:
    assert rows.timestamp(rows.microseconds(text)) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05.1x3456Z", "2026-01-02"])
def test_what_is_no_time_is_refused(text: str) -> None:
    rows.microseconds("2026-01-02T03:04:05.123456Z")
    with pytest.raises(ValueError, match=r"not a time|month must be"):
        rows.microseconds(text)


@pytest.mark.parametrize("milliseconds", [0.0001, 0.001, 0.9, 12.5, 400, 86_400_000])
def test_a_bucket_is_near_its_durations(milliseconds: float) -> None:
    assert middle_of(bucket_of(milliseconds)) == pytest.approx(max(milliseconds, 0.001), rel=0.023)


def test_a_line_that_comes_again_is_there_once(tmp_path: pathlib.Path) -> None:
    for _ in range(3):
        write(tmp_path / "t.db", map(item, range(5)))
    write(tmp_path / "t.db", map(item, range(3, 8)))
    assert read(tmp_path / "t.db", "SELECT count(*), count(DISTINCT id) FROM requests") == [(8, 8)]


def test_a_damaged_line_costs_no_other(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = Store(str(tmp_path / "t.db"), 7, 500)
    store.write_lines(lines([item(1)]) + b'{"time":\n[]\n{"data":{}}\n' + lines([item(2)]), 5)
    store.close()
    assert read(tmp_path / "t.db", "SELECT count(*) FROM requests") == [(2,)]
    assert capfd.readouterr().err == "autotrace: 3 unsent items were damaged and dropped\n"


WRITER = """
import sys
from tests.local.test_store import item, lines
from autotrace.local.store import Store
path, first = sys.argv[1], int(sys.argv[2])
store = Store(path, 7, 500)
for start in range(first, first + 500, 25):
    store.write_lines(lines(map(item, range(start, start + 25))), 30)
"""


def test_several_processes_write_at_once(tmp_path: pathlib.Path) -> None:
    commands = [[sys.executable, "-c", WRITER, str(tmp_path / "t.db"), str(first)] for first in range(0, 3000, 500)]
    writers = [subprocess.Popen(command) for command in commands]
    assert [writer.wait(120) for writer in writers] == [0] * 6
    assert read(tmp_path / "t.db", "SELECT count(*), count(DISTINCT id) FROM requests") == [(3000, 3000)]
    assert not list(tmp_path.glob("t-*"))


def test_nobody_else_may_read_it(tmp_path: pathlib.Path) -> None:
    mask = os.umask(0)
    try:
        store = Store(str(tmp_path / "t.db"), 7, 500)
        store.write_lines(lines([item(1)]), 5)
    finally:
        os.umask(mask)
    found = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    store.close()
    assert set(found) == {"t.db", "t.db-wal", "t.db-shm"}
    assert set(found.values()) == {0o600}


def foreign(path: pathlib.Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id)")
        connection.commit()


def another_version(path: pathlib.Path) -> None:
    write(path, [item(99)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA user_version = 999")


def truncated(path: pathlib.Path) -> None:
    write(path, [item(99)])
    path.write_bytes(path.read_bytes()[:20_000])


def scribbled(path: pathlib.Path) -> None:
    write(path, [item(99)])
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096))


STRANGE = {
    "the database of another program": foreign,
    "another version of autotrace": another_version,
    "it is no SQLite file": lambda path: path.write_text("dear diary"),
    "it is no file": lambda path: path.mkdir(),
    "it is damaged": truncated,
    "it is damaged ": scribbled,
}


@pytest.mark.parametrize("reason", STRANGE)
def test_what_cannot_be_used_stays_and_a_file_beside_it_is(
    reason: str, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.db"
    STRANGE[reason](path)
    before = None if path.is_dir() else path.read_bytes()
    write(path, [item(1)])
    write(path, [item(2)])
    assert read(tmp_path / "t-2.db", "SELECT count(*) FROM requests") == [(2,)]
    said = capfd.readouterr().err
    assert said.count("\n") == 1, said
    assert reason.strip() in said
    assert str(path) in said
    assert path.is_dir() if before is None else path.read_bytes() == before


def test_an_interrupted_making_is_finished(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.db").touch()
    write(tmp_path / "t.db", [item(1)])
    with closing(sqlite3.connect(tmp_path / "u.db")) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
    write(tmp_path / "u.db", [item(1)])
    assert not list(tmp_path.glob("*-2.db"))


def test_a_directory_that_cannot_be_written_to_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        write(tmp_path / "none" / "t.db", [item(1)])


def test_a_writer_that_never_ends_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "t.db", [item(1)])
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = Store(str(tmp_path / "t.db"), 7, 500)
        with pytest.raises(StoreError, match="locked"):
            store.write_lines(lines([item(2)]), 0.2)
        other.execute("COMMIT")
        store.write_lines(lines([item(2)]), 5)
        store.close()
    assert read(tmp_path / "t.db", "SELECT count(*) FROM requests") == [(2,)]


def test_what_is_too_old_goes(tmp_path: pathlib.Path) -> None:
    day = 86_400
    write(tmp_path / "t.db", [item(1, 3 * day), item(2, 1.9 * day), item(3)], days=2)
    write(tmp_path / "t.db", [item(4)], days=2)
    assert read(tmp_path / "t.db", "SELECT id FROM requests ORDER BY id") == [(f"{n:016x}",) for n in (2, 3, 4)]


def test_a_full_store_drops_the_oldest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.db"
    for start in range(0, 6000, 200):
        each = (item(n, 6000 - n, properties={"text": "x" * 1000}) for n in range(start, start + 200))
        write(path, each, megabytes=2)
    assert path.stat().st_size < 3 << 20
    ((count, first, last),) = read(path, "SELECT count(*), min(id), max(id) FROM requests")
    assert last == f"{5999:016x}"
    assert 300 < count == 6000 - int(first, 16)
