"""SQL over the store: what a query answers, as a page and as a file, and what no query can do."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import pytest

from autotrace.local import queries
from autotrace.local.examples import EXAMPLES
from autotrace.local.store import Store, usable
from autotrace.local.web import Response
from tests.local.samples import HOSTILE, Element, answer, assert_harmless, dependency, exception, item, request, stored
from tests.local.samples import tree as tree_of

GROWING = "WITH RECURSIVE t(s, n) AS (SELECT 'a', 0 UNION ALL SELECT s || s, n + 1 FROM t WHERE n < {}) "


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stored(
        tmp_path / "t.db",
        [
            request("GET /", 10, ago=90),
            request("GET /", 30, "500", ago=80, rate=50),
            dependency(ago=70),
            exception(ago=60),
            item("Message", {"message": "said", "severityLevel": 1}, ago=50, role="shop", id="a" * 32),
        ],
    )


def run(path: Path, sql: str, form: str = "") -> Response:
    return answer(path, "/logs", f"q={quote_plus(sql, errors='surrogateescape')}{form and '&format=' + form}")


def result(path: Path, sql: str) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows that the page shows for a query."""
    response = run(path, sql)
    page = tree_of(response.body.decode())
    assert response.status == 200, page.one("div", id="outcome").text
    table = page.one("table", class_="result-rows")
    rows = [[cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")]
    return [cell.text for cell in table.all("th")], rows


def error(path: Path, sql: str) -> str:
    response = run(path, sql)
    assert response.status == 400
    page = tree_of(response.body.decode())
    assert page.one("textarea").text == " ".join(sql.split())[: len(page.one("textarea").text) or None]
    return page.one("p", role="alert").text


def test_rows_are_shown(store: Path) -> None:
    sql = "SELECT name, sum(itemCount) AS requests, NULL AS missing FROM requests GROUP BY name"
    assert result(store, sql) == (["name", "requests", "missing"], [["GET /", "3", "NULL"]])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_examples_answer(store: Path, example: Any) -> None:
    _, rows = result(store, example.sql)
    assert rows


def test_percentiles_are_those_of_what_happened(store: Path) -> None:
    (example,) = (one for one in EXAMPLES if one.title == "Percentiles by operation")
    _, ((name, count, *percentiles),) = result(store, example.sql)
    assert (name, count) == ("GET /", "3")
    assert [float(one) for one in percentiles] == pytest.approx([30, 30, 30], rel=0.03)


def test_examples_and_tables_are_links_that_run(store: Path) -> None:
    page = tree_of(answer(store, "/logs").body.decode())
    links = [link.attributes["href"] for link in page.one("main").all("a")]
    assert len(links) == len(EXAMPLES) + 9
    for link in links:
        assert run(store, unquote_plus(link.partition("?q=")[2])).status == 200
    assert "customDimensions" in page.all("details")[-1].text


def test_an_operation_leads_to_its_transaction(store: Path) -> None:
    page = tree_of(run(store, "SELECT operation_Id FROM requests LIMIT 1").body.decode())
    (link,) = page.one("table", class_="result-rows").all("a")
    assert link.attributes["href"] == f"/transaction/{'a' * 32}"


def test_a_thousand_rows_are_shown_and_the_cut_is_said(store: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    assert len(result(store, sql.format(1000))[1]) == 1000
    assert "1,000 rows. Took" in tree_of(run(store, sql.format(1000)).body.decode()).one("div", id="outcome").text
    assert len(result(store, sql.format(1001))[1]) == 1000
    assert "The first 1,000 rows" in tree_of(run(store, sql.format(1001)).body.decode()).one("div", id="outcome").text


def test_no_row_is_said(store: Path) -> None:
    page = tree_of(run(store, "SELECT * FROM requests WHERE 0").body.decode())
    assert "No row." in page.text
    assert "0 rows." in page.text


def test_long_values_are_cut_on_the_page_and_whole_in_a_file(store: Path) -> None:
    sql = "SELECT replace('yyyyyyyyyy', 'y', '" + "x" * 200 + "') AS long"
    assert result(store, sql)[1] == [["x" * 500 + "… (2,000 characters)"]]
    assert json.loads(run(store, sql, "json").body) == [{"long": "x" * 2000}]


def test_csv_is_harmless_in_a_spreadsheet(store: Path) -> None:
    sql = "SELECT '=1+1' AS \"=a\", '+1' AS b, '-1' AS c, '@x' AS d, -5 AS e, 1.5 AS f, NULL AS g, 'a\"b,\nc' AS h"
    response = run(store, sql, "csv")
    assert response.content_type.startswith("text/csv")
    assert dict(response.headers)["Content-Disposition"] == 'attachment; filename="autotrace-logs.csv"'
    assert list(csv.reader(io.StringIO(response.body.decode(), newline=""))) == [
        ["'=a", "b", "c", "d", "e", "f", "g", "h"],
        ["'=1+1", "'+1", "'-1", "'@x", "-5", "1.5", "", 'a"b,\nc'],
    ]


def test_json_has_every_column_and_is_json(store: Path) -> None:
    response = run(store, "SELECT 1 AS a, 2 AS a, 9e999 AS infinite, 'é' AS text, x'00ff' AS bytes", "json")
    assert json.loads(response.body) == [{"a": 1, "a_2": 2, "infinite": None, "text": "é", "bytes": "x'00ff'"}]
    assert json.loads(run(store, "SELECT 1 WHERE 0", "json").body) == []
    many = run(store, "SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a_2", "json")
    assert json.loads(many.body) == [{"a": 1, "a_2": 2, "a_3": 3, "a_2_2": 4}]


def test_a_store_may_have_any_name(store: Path) -> None:
    named = Path(os.fsdecode(os.fsencode(store.with_name("t ?#%41")) + b"\xff.db"))
    store.rename(named)
    assert json.loads(run(named, "SELECT 7 AS a", "json").body) == [{"a": 7}]
    assert usable(str(named), print) == str(named)


def test_a_file_has_a_hundred_thousand_rows_and_says_that_it_was_cut(store: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) SELECT i FROM n"
    response = run(store, sql, "csv")
    assert response.body.count(b"\r\n") == 100_001
    assert "autotrace-logs-cut.csv" in dict(response.headers)["Content-Disposition"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_bad_query_gives_a_page_and_no_file(store: Path, form: str) -> None:
    response = run(store, "SELECT absent", form)
    assert response.status == 400
    assert "no such column: absent" in tree_of(response.body.decode()).one("p", role="alert").text


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT nope FROM requests", "no such column: nope"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("-- nothing", "there is no query in this text"),
        ("SELECT '", "unrecognized token"),
        ("SELECT \x00", "null character"),
    ],
)
def test_a_bad_query_gets_what_sqlite_says(store: Path, sql: str, message: str) -> None:
    said = run(store, sql)
    assert said.status == 400
    assert message in tree_of(said.body.decode()).one("p", role="alert").text


@pytest.mark.parametrize(
    "sql",
    [
        *("INSERT INTO traces (message) VALUES ('x')", "UPDATE requests SET name = ''", "DELETE FROM requests"),
        *("DROP TABLE requests", "CREATE TABLE x (y)", "CREATE TEMP TABLE x (y)", "CREATE VIEW x AS SELECT 1"),
        *("ATTACH '{other}' AS other", "ATTACH ':memory:' AS other", "DETACH main", "VACUUM", "VACUUM INTO '{other}'"),
        *("PRAGMA writable_schema = 1", "PRAGMA table_info(requests)", "SELECT * FROM pragma_database_list"),
        *("BEGIN", "COMMIT", "SAVEPOINT x", "REINDEX", "ANALYZE"),
        *("SELECT load_extension('{other}')", "SELECT fts3_tokenizer('simple')", "SELECT readfile('{other}')"),
        *("SELECT writefile('{other}', 'x')", "SELECT edit('x')", "SELECT randomblob(9)", "SELECT zeroblob(9)"),
        *("SELECT * FROM _seen", "SELECT * FROM dbstat", "SELECT * FROM fsdir('/')", "SELECT sqlite_version()"),
        "WITH x AS (SELECT 1) DELETE FROM requests",
        "EXPLAIN DELETE FROM requests",
        "CREATE VIRTUAL TABLE temp.x USING fts5(y)",
    ],
)
def test_queries_only_read_the_tables(store: Path, tmp_path: Path, sql: str) -> None:
    other = tmp_path / "other"
    before = store.read_bytes()
    assert "SQLite says" in error(store, sql.format(other=other))
    assert not other.exists()
    assert store.read_bytes() == before


def test_the_schema_and_parts_of_queries_may_be_read(store: Path) -> None:
    assert result(store, "WITH part AS (SELECT * FROM requests) SELECT count(*) FROM part")[1] == [["2"]]
    assert ["requests"] in result(store, "SELECT name FROM sqlite_master WHERE type = 'table'")[1]
    assert result(store, "SELECT key, value FROM json_each('{\"a\": 1}')")[1] == [["a", "1"]]
    assert result(store, "EXPLAIN QUERY PLAN SELECT * FROM requests")[1]


def test_a_query_sees_what_is_being_written(store: Path) -> None:
    writer = Store(str(store), 10_000, 1000)
    from autotrace.local.rows import row_of

    writer.write([row_of(request())], 5)
    try:
        assert result(store, "SELECT count(*) FROM requests")[1] == [["3"]]
    finally:
        writer.close()


RUNAWAY = {
    "recursion": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "cross join": "SELECT count(*) FROM requests a"
    + ", requests b" * 0
    + "".join(f", requests r{n}" for n in range(30)),
    # One call of one function, in which SQLite looks at no clock.
    "function": GROWING.format(22) + "SELECT max(instr(s || s, s || 'b')) FROM t",
}


@pytest.mark.parametrize("sql", RUNAWAY.values(), ids=RUNAWAY)
def test_a_runaway_query_is_stopped(store: Path, sql: str) -> None:
    began = time.monotonic()
    assert error(store, sql) == "✕ The query was stopped: it ran for more than 5 seconds."
    assert time.monotonic() - began < queries.SECONDS + 3


# Ends in time or is refused, and takes little memory whichever it is.
GREEDY = {
    "zeroblob": "SELECT zeroblob(1000000000)",
    "printf": "SELECT length(printf('%1000000000d', 1))",
    "precision": "SELECT length(printf('%.*c', 900000000, 'x'))",
    "doubling": GROWING.format(40) + "SELECT length(s) FROM t",
    "replace": GROWING.format(20) + "SELECT length(replace(s, 'a', s)) FROM t",
    "hex": GROWING.format(30) + "SELECT length(hex(hex(hex(s)))) FROM t",
    "group_concat": GROWING.format(20) + "SELECT length(group_concat(a.s || b.s)) FROM t a, t b",
    "json_group_array": GROWING.format(20) + "SELECT length(json_group_array(a.s)) FROM t a, t b, t c",
    "json nesting": GROWING.format(25).replace("'a'", "'['") + "SELECT json_valid(s) FROM t",
    "wide rows": GROWING.format(22) + "SELECT " + ", ".join(["s"] * 500) + " FROM t",
    "many rows": GROWING.format(10) + "SELECT a.s FROM t a, t b, t c, t d, t e, t f",
    "sorting": GROWING.format(14) + "SELECT a.s FROM t a, t b, t c, t d ORDER BY b.n * c.n * d.n",
    "distinct": GROWING.format(14)
    + "SELECT count(DISTINCT a.s || b.n || c.n || d.n || e.n) FROM t a, t b, t c, t d, t e",
    "queue": "WITH RECURSIVE t(n, s) AS (SELECT 1, hex(hex(hex('abcdefgh'))) UNION ALL SELECT n + 1, s FROM t)"
    " SELECT * FROM t ORDER BY n DESC",
    "window": GROWING.format(18) + "SELECT group_concat(a.s) OVER (ORDER BY b.n) FROM t a, t b, t c",
    "long expression": "SELECT " + "(" * 2000 + "1" + ")" * 2000,
}

# Runs a query as the page does, and tells the most memory that the process of the query had, in MiB, and its own.
_MEASURED = """
import re, subprocess, sys, threading, time
from pathlib import Path
from autotrace.local import queries

peak = 0
def watch():
    global peak
    while True:
        for child in Path(f"/proc/self/task/{main}/children").read_text().split():
            try:
                status = Path(f"/proc/{child}/status").read_text()
                if "sandbox" not in Path(f"/proc/{child}/cmdline").read_text():
                    continue
            except OSError:
                continue
            found = re.search(r"VmHWM:\\s+(\\d+)", status)
            peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.005)
main = threading.get_native_id()
threading.Thread(target=watch, daemon=True).start()
sent = 0
def take(row):
    global sent
    sent += sum(len(str(value)) for value in row)
began = time.monotonic()
outcome = queries.run(sys.argv[1], sys.argv[2], queries.Bounds(100_000, 32 << 20, 0), take)
# Not what getrusage says, which begins with what the parent had.
own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(time.monotonic() - began, peak >> 10, own >> 10, sent)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("sql", GREEDY.values(), ids=GREEDY)
def test_a_greedy_query_takes_neither_memory_nor_time(store: Path, sql: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(store), sql], capture_output=True, text=True, check=True, timeout=60
    )
    seconds, memory, own, sent = map(float, done.stdout.split())
    assert seconds < queries.SECONDS + 3
    assert 0 < memory < 300
    # The process of the viewer holds at most a row at a time.
    assert own < 200
    assert sent < 80 << 20


def test_only_two_queries_run_at_a_time(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "SECONDS", 2.0)
    monkeypatch.setattr(queries, "_PATIENCE", 0.2)
    waiting = [threading.Thread(target=run, args=(store, RUNAWAY["recursion"])) for _ in range(2)]
    for one in waiting:
        one.start()
    time.sleep(0.3)
    try:
        assert "Other queries are running" in error(store, "SELECT 1")
    finally:
        for one in waiting:
            one.join()
    assert result(store, "SELECT 1")[1] == [["1"]]


def children() -> set[str]:
    """Return the pids of this thread's child processes; other tests have some too."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return set(path.read_text().split()) if path.exists() else set()


def test_nothing_is_left_of_a_query(store: Path) -> None:
    own = children()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for sql in ("SELECT 1", "SELEC", "SELECT * FROM requests"):
        run(store, sql)
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after <= before
    assert children() <= own


def test_a_query_too_long_for_an_address_is_said_to_be(store: Path) -> None:
    assert "6,000" in error(store, "SELECT 1 -- " + "x" * 6000)
    assert result(store, "SELECT 1 -- " + "x" * 5900)[1] == [["1"]]


def test_the_query_stands_in_the_form_as_it_was_written(store: Path) -> None:
    sql = "\n\nSELECT 1 AS \"</textarea><script>\"\n  -- 'two'"
    page = tree_of(run(store, sql).body.decode())
    (text,) = page.one("textarea").children
    # HTML takes away the first end of line.
    assert text == "\n" + sql.strip()
    assert_harmless(page)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_texts(tmp_path: Path, text: str) -> None:
    path = stored(tmp_path / "t.db", [request(text, role=text, id=text, code=text)])
    page: Element = tree_of(run(path, "SELECT * FROM requests").body.decode())
    assert_harmless(page)
    assert_harmless(tree_of(run(path, text).body.decode()))
    quoted = re.sub("\x00", "", text).replace('"', '""')
    assert_harmless(tree_of(run(path, f'SELECT 1 AS "{quoted[:1000]}"').body.decode()))
    assert run(path, "SELECT * FROM requests", "csv").status == 200
