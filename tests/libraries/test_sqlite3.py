"""sqlite3: statements of connections and cursors, and classes that stay what they were."""

from __future__ import annotations

import pathlib
import pickle
import sqlite3
import subprocess
import sys
import urllib.request
import warnings
from typing import Any

import pytest

from tests import outgoing
from tests.recordings import said

outgoing.patch("sqlite3")


def test_statements_are_told_without_values(tmp_path: pathlib.Path) -> None:
    def view() -> None:
        connection = sqlite3.connect(str(tmp_path / "shop.db"))
        connection.execute("CREATE TABLE item (id int, name text)")
        connection.executemany("INSERT INTO item VALUES (?, ?)", [(1, "s3cret"), (2, "b")])
        cursor = connection.cursor()
        assert cursor.execute("SELECT * FROM item WHERE name = 's3cret' AND id < 99").fetchall() == [(1, "s3cret")]
        cursor.executescript("DELETE FROM item; DROP TABLE item")
        with pytest.raises(sqlite3.OperationalError):
            cursor.execute("SELECT * FROM missing")
        connection.close()

    told = outgoing.record(view).said()
    assert {(one["type"], one["target"]) for one in told} == {("sqlite", "shop.db")}
    assert [(one["name"], one["data"]) for one in told] == [
        ("CREATE item", "CREATE TABLE item (id int, name text)"),
        ("INSERT item", "INSERT INTO item VALUES (?, ?)"),
        ("SELECT item", "SELECT * FROM item WHERE name = ? AND id < ?"),
        ("DELETE item", "DELETE FROM item; DROP TABLE item"),
        ("SELECT missing", "SELECT * FROM missing"),
    ]
    code = "SQLITE_ERROR" if sys.version_info >= (3, 11) else "OperationalError"
    assert [(one["resultCode"], one["success"]) for one in told] == [*[("0", True)] * 4, (code, False)]


def test_classes_are_those_that_the_application_asked_for() -> None:
    class Mine(sqlite3.Connection):
        pass

    class MyCursor(sqlite3.Cursor):
        pass

    def view() -> None:
        for arguments, kind in ((((), {}), sqlite3.Connection), (((), {"factory": Mine}), Mine)):
            connection = sqlite3.connect(":memory:", *arguments[0], **arguments[1])
            assert isinstance(connection, kind)
            assert type(connection).__qualname__ == kind.__qualname__
            cursor = connection.cursor(MyCursor)
            assert isinstance(cursor, MyCursor)
            cursor.execute("SELECT 1")
            connection.close()

    assert [one["name"] for one in outgoing.record(view).said()] == ["SELECT", "SELECT"]


def test_classes_of_the_application_do_as_they_like() -> None:
    class MyCursor(sqlite3.Cursor):
        def execute(self, *args: Any) -> Any:
            return super().execute("SELECT 'mine'")

    class Mine(sqlite3.Connection):
        def cursor(self) -> Any:
            return super().cursor(MyCursor)

    class Plain(sqlite3.Connection):
        def cursor(self, factory: Any = MyCursor) -> Any:
            assert factory is MyCursor
            return super().cursor()

    class Final(sqlite3.Connection):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            raise TypeError("nobody derives from this")

    def view() -> None:
        for factory in (Mine, Plain, Final, lambda *args, **kwargs: Mine(":memory:")):
            connection = sqlite3.connect(":memory:", factory=factory)
            rows = connection.cursor().execute("SELECT 'asked'").fetchall()
            assert rows == [("asked" if factory in (Plain, Final) else "mine",)]
            with pytest.raises(TypeError):
                connection.cursor(1, 2)
            connection.close()

    # Of the last two there is nothing to be seen.
    assert [one["data"] for one in outgoing.record(view).said()] == ["SELECT ?", "SELECT ?"]


def test_connect_is_found_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(sqlite3.connect)) is sqlite3.connect  # noqa: S301 - made here
    assert sqlite3.connect is sqlite3.dbapi2.connect
    assert sqlite3.connect.__name__ == "connect"


def test_a_name_that_was_imported_before_leads_to_ours() -> None:
    code = """
import importlib, sqlite3, sys, types
from sqlite3 import connect
before = [connect]
sys.modules["unready"] = types.ModuleType.__new__(types.ModuleType)
sys.modules["none"] = None
sys.modules["liar"] = type("Liar", (), {"__slots__": (), "__class__": types.ModuleType})()
importlib.import_module("autotrace.libraries.sqlite3").patch(sqlite3)
assert connect is sqlite3.connect is sqlite3.dbapi2.connect
assert connect.__wrapped__ is before[0] is not connect
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 warns from Python 3.12 on")
def test_warnings_name_the_line_of_the_application() -> None:
    class Mine(sqlite3.Cursor):
        def execute(self, *args: Any) -> Any:
            return super().execute(*args)

    class Day:
        pass

    def adapt(day: Day) -> str:
        # As the adapters of sqlite3 do, in whose place Django puts its own.
        warnings.warn("deprecated", DeprecationWarning, stacklevel=2)
        return "2020-02-02"

    def view() -> None:
        connection = sqlite3.connect(":memory:")
        for cursor in (connection.cursor(), connection.cursor(Mine), connection):
            cursor.execute(
                "SELECT ?",
                (Day(),),
            )
        connection.execute("CREATE TABLE item (day)")
        connection.executemany("INSERT INTO item VALUES (?)", [(Day(),)] * 2)
        if sys.version_info < (3, 14):
            connection.execute("SELECT :a", (1,))
        list(map(connection.execute, ["SELECT ?"], [(Day(),)]))
        connection.close()

    sqlite3.register_adapter(Day, adapt)

    def places() -> list[tuple[str, int]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            view()
            outgoing.record(view)
        places = [(warning.filename, warning.lineno) for warning in caught]
        assert len(places) > 7
        return places

    ours = places()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", sqlite3.connect.__wrapped__)  # type: ignore[attr-defined]
        assert ours == places()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 warns from Python 3.12 on")
@pytest.mark.parametrize("action", ["default", "error", "error::DeprecationWarning:__main__", "ignore"])
def test_filters_decide_as_they_did(action: str) -> None:
    code = """
import datetime, sqlite3, traceback
connection = sqlite3.connect(":memory:")
for _ in "ab":
    try:
        connection.execute("SELECT ?", (datetime.date(2020, 2, 2),))
    except DeprecationWarning:
        traceback.print_exc()
connection.close()
"""
    patch = "import sqlite3; from autotrace.libraries import sqlite3 as ours; ours.patch(sqlite3)"
    first, second = (
        subprocess.run(
            [sys.executable, "-W", action, "-c", before + code], check=True, capture_output=True, text=True
        ).stderr
        for before in ("", patch)
    )
    assert first == second
    assert bool(first) is (action != "ignore")


def test_nothing_is_recorded_outside_of_requests() -> None:
    connection = sqlite3.connect(":memory:")
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()


def test_no_frame_of_ours_is_in_a_traceback(tmp_path: pathlib.Path) -> None:
    def view() -> None:
        with pytest.raises(sqlite3.OperationalError) as opened:
            sqlite3.connect(str(tmp_path / "missing" / "shop.db"))
        connection = sqlite3.connect(":memory:")
        with pytest.raises(sqlite3.OperationalError) as asked:
            connection.execute("SELECT * FROM missing")
        connection.close()
        assert outgoing.frames_of_ours(opened.value) == outgoing.frames_of_ours(asked.value) == []

    outgoing.record(view)
    view()


def test_connect_is_no_method() -> None:
    class Shop:
        connect = sqlite3.connect

    Shop().connect(":memory:").close()


def test_calls_of_the_application_inside_of_a_statement_are_calls() -> None:
    """A generator of parameters, and a function that the application gives the database."""
    outgoing.patch("http_client")

    def view() -> None:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE item (id int)")
        connection.create_function("ask", 1, lambda number: ask(f"{neighbour.url}/function/{number}x"))
        connection.execute("SELECT ask(7)")
        connection.executemany("INSERT INTO item VALUES (?)", ([ask(f"{neighbour.url}/generator")] for _ in "ab"))
        connection.close()

    def ask(url: str) -> int:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - of this test's own service
            return int(answer.status)

    with outgoing.neighbour() as neighbour:
        seen = outgoing.record(view)
    http, names = ([call for call in seen.calls if (said(call)["type"] == "Http") is kind] for kind in (True, False))
    assert [said(call)["name"] for call in http] == ["GET /function/7x", *["GET /generator"] * 2]
    assert [said(call)["name"] for call in names] == ["CREATE item", "SELECT", "INSERT item"]
    assert http[0]["tags"]["ai.operation.parentId"] == said(names[1])["id"]
    assert neighbour.headers[0]["traceparent"] == outgoing.parent_of(http[0])
