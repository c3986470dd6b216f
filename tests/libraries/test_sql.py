"""What all databases have in common: codes of odd errors, names of servers, and classes derived from those in C."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from autotrace.libraries import sql
from tests import outgoing


class Error(Exception):
    """As all drivers have it."""


def error_of(*args: Any, **attributes: Any) -> Error:
    error = Error(*args)
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (error_of("a message", sqlstate="42P01"), "42P01"),
        (error_of("a message", pgcode="23505"), "23505"),
        (error_of("HELLO", pgcode="P0001"), "P0001"),
        (error_of(1146, "a message", sqlstate="42S02"), "1146"),
        (error_of("42S02", "[42S02] a message"), "42S02"),
        (error_of(SimpleNamespace(full_code="ORA-00942")), "ORA-00942"),
        (error_of({"S": "ERROR", "C": "42P01", "M": "a message"}), "42P01"),
        (error_of("a message", sqlite_errorname="SQLITE_BUSY"), "SQLITE_BUSY"),
        (error_of(0, ""), ""),
        (error_of(), ""),
        (error_of("a message", sqlstate=None, pgcode=None), ""),
        (error_of("a message", sqlstate="s3cret text of some length"), ""),
        (error_of([1], sqlstate=[2]), ""),
        # Not of a database.
        (KeyError(5), ""),
        (SystemExit(1), ""),
    ],
)
def test_codes(error: BaseException, code: str) -> None:
    assert sql.code_of(error) == code


def test_the_code_of_a_cause_is_told() -> None:
    wrapped = error_of("a message")
    wrapped.__cause__ = error_of(1062, "a message")
    assert sql.code_of(wrapped) == "1062"
    wrapped.__cause__ = wrapped
    assert sql.code_of(wrapped) == ""


@pytest.mark.parametrize(
    ("host", "port", "server"),
    [
        ("db.test", 5432, ("db.test", 5432)),
        ("db.test", "5432", ("db.test", 5432)),
        ("db.test", "", ("db.test", None)),
        ("db.test", 0, ("db.test", None)),
        ("db.test", None, ("db.test", None)),
        ("/var/run/postgresql", 5432, ("", None)),
        ("@abstract", 5432, ("", None)),
        ("", 5432, ("", None)),
        (None, None, ("", None)),
        (("a", "b"), 5432, ("", None)),
    ],
)
def test_servers(host: Any, port: Any, server: tuple[str, int | None]) -> None:
    assert sql.server_of(host, port) == server


@pytest.mark.parametrize(
    ("database", "name"),
    [
        ("/srv/shop.db", "shop.db"),
        (b"/srv/shop.db", "shop.db"),
        (":memory:", ":memory:"),
        ("file:/srv/shop.db?mode=ro&key=s3cret/x", "shop.db"),
        ("file:shared?mode=memory&cache=shared", "shared"),
    ],
)
def test_files(database: Any, name: str) -> None:
    assert sql.file_of(database) == name


def test_text_of_the_applications_own_kind_is_read_and_not_kept() -> None:
    class Odd(str):
        __slots__ = ()

        def __hash__(self) -> int:
            raise RuntimeError("not to be compared")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not to be compared")

        def __str__(self) -> str:
            raise RuntimeError("not to be shown")

    def view() -> None:
        call = sql.begin("postgresql", Odd("SELECT 's3cret'"), "db.test", 5432, 5432, "shop")
        call.finish()
        sql.begin("postgresql", bytearray(b"SELECT '\xff'"), "db.test", 5433, 5432, "").finish()
        sql.begin("postgresql", object(), "", None, 5432, "shop").finish()

    told = outgoing.record(view).said()
    assert [(one["name"], one["data"], one["target"]) for one in told] == [
        ("SELECT", "SELECT ?", "db.test | shop"),
        ("SELECT", "SELECT ?", "db.test:5433"),
        ("SQL", "", "shop"),
    ]


def test_derived_classes_are_made_once_in_all_threads() -> None:
    class Mine(sqlite3.Cursor):
        pass

    ours = sql.derived(sqlite3.Cursor, {"execute": lambda self, statement: statement})
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: sql.like(Mine, ours), range(200)))
    (one,) = {sql.like(Mine, ours)} & made
    assert one.__mro__[1:4] == (Mine, ours, sqlite3.Cursor)
    assert (one.__name__, one.__qualname__, one.__module__) == (Mine.__name__, Mine.__qualname__, __name__)
    assert sql.like(one, ours) is one
    assert sql.like(sqlite3.Cursor, ours) is ours
    assert sql.like(int, ours) is int
    assert sql.like("nonsense", ours) == "nonsense"
