"""Django's databases: one item a query, whatever driver is below and whatever the application wraps around it."""

from __future__ import annotations

import asyncio
import importlib
import pathlib
from typing import Any, Iterator

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, models
from django.db.transaction import atomic
from django.db.utils import ConnectionHandler, IntegrityError, OperationalError, ProgrammingError

from tests import outgoing
from tests.databases import Database
from tests.needs import need

# The kind of server → what Django may use there.
SERVERS = {"postgresql": ("psycopg", "psycopg2"), "mysql": ("MySQLdb",)}

for patched in ("django_db", "sqlite3", "psycopg", "psycopg2", "mysqldb"):
    outgoing.patch_installed(patched)


@pytest.fixture(scope="module", autouse=True)
def _django() -> None:
    if not settings.configured:
        settings.configure(USE_TZ=True, INSTALLED_APPS=[])
        django.setup()


@pytest.fixture
def sqlite(tmp_path: pathlib.Path) -> Iterator[Any]:
    """A connection of Django to a SQLite database, which is open."""
    yield from connected({"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "shop.db"})


@pytest.fixture(params=sorted(SERVERS))
def served(request: Any) -> Iterator[Any]:
    """A connection of Django to a server, which is open."""
    name = request.param
    installed = any(importlib.util.find_spec(driver) for driver in SERVERS[name])
    need(installed, f"no driver for {name} is installed")
    database: Database = request.getfixturevalue(name)
    account = {"USER": database.user, "PASSWORD": database.password, "NAME": database.name}
    place = {"HOST": database.host, "PORT": str(database.port)}
    yield from connected({"ENGINE": f"django.db.backends.{name}", **account, **place})


def connected(options: dict[str, Any]) -> Iterator[Any]:
    connection = ConnectionHandler({"default": options})["default"]
    connection.ensure_connection()
    # Where transactions and models find it.
    connections["default"] = connection
    yield connection
    connection.close()
    del connections["default"]


def ask(connection: Any, statement: str, *args: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, *args)
        return cursor.fetchall() if cursor.description else None


def test_statements_are_told_without_values(sqlite: Any) -> None:
    def view() -> None:
        ask(sqlite, "CREATE TABLE item (id int, name text)")
        with sqlite.cursor() as cursor:
            cursor.executemany("INSERT INTO item VALUES (%s, %s)", ((n, "s3cret") for n in range(3)))
        assert ask(sqlite, "SELECT name FROM item WHERE name = 's3cret' AND id = %s", [1]) == [("s3cret",)]

    told = outgoing.record(view).said()
    assert {(one["type"], one["target"], one["resultCode"], one["success"]) for one in told} == {
        ("sqlite", "shop.db", "0", True)
    }
    assert [(one["name"], one["data"]) for one in told] == [
        ("CREATE item", "CREATE TABLE item (id int, name text)"),
        ("INSERT item", "INSERT INTO item VALUES (%s, %s)"),
        ("SELECT item", "SELECT name FROM item WHERE name = ? AND id = %s"),
    ]


def test_a_server_is_told_once_whatever_driver_is_below(served: Any) -> None:
    ask(served, "DROP TABLE IF EXISTS thing")

    def view() -> None:
        ask(served, "CREATE TABLE thing (id int primary key)")
        with atomic(using="default"):
            ask(served, "INSERT INTO thing VALUES (7)")
        with pytest.raises(IntegrityError):
            ask(served, "INSERT INTO thing VALUES (%s)", [7])
        with pytest.raises(ProgrammingError):
            ask(served, "SELECT * FROM missing")

    told = outgoing.record(view).said()
    kind, known = served.vendor, served.settings_dict
    assert {(one["type"], one["target"]) for one in told} == {
        (kind, f"{known['HOST']}:{known['PORT']} | {known['NAME']}")
    }
    codes = {"postgresql": ("23505", "42P01"), "mysql": ("1062", "1146")}[kind]
    assert [(one["data"], one["resultCode"], one["success"]) for one in told] == [
        ("CREATE TABLE thing (id int primary key)", "0", True),
        ("INSERT INTO thing VALUES (?)", "0", True),
        ("INSERT INTO thing VALUES (%s)", codes[0], False),
        ("SELECT * FROM missing", codes[1], False),
    ]


def test_procedures_are_told_by_their_name(served: Any) -> None:
    kind = "FUNCTION" if served.vendor == "postgresql" else "PROCEDURE"
    body = "RETURNS int LANGUAGE sql AS 'SELECT a'" if served.vendor == "postgresql" else "SELECT a"
    ask(served, f"DROP {kind} IF EXISTS double_it")
    ask(served, f"CREATE {kind} double_it(a int) {body}")

    def view() -> None:
        with served.cursor() as cursor:
            cursor.callproc("double_it", [4711])
            assert cursor.fetchall() in ([(4711,)], ((4711,),))

    (told,) = outgoing.record(view).said()
    assert (told["data"], told["success"]) == ("CALL double_it", True)


def test_models_and_their_savepoints_are_told(sqlite: Any) -> None:
    class Item(models.Model):
        name = models.TextField(unique=True)

        class Meta:
            app_label = "shop"

    with sqlite.schema_editor() as editor:
        editor.create_model(Item)

    def view() -> None:
        with atomic(using="default"):
            Item.objects.create(name="s3cret")
            with pytest.raises(IntegrityError), atomic(using="default"):
                Item.objects.create(name="s3cret")
        assert Item.objects.filter(name__contains="cre").count() == 1

    told = outgoing.record(view).said()
    verbs = ["BEGIN", "INSERT shop_item", "SAVEPOINT", "INSERT shop_item", "ROLLBACK", "RELEASE", "SELECT shop_item"]
    assert [one["name"] for one in told] == verbs
    assert [one["success"] for one in told] == [True, True, True, False, True, True, True]
    assert "s3cret" not in str(told)


def test_execute_wrappers_are_the_applications(sqlite: Any) -> None:
    seen: list[str] = []

    def twice(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        assert context["connection"] is sqlite
        execute(sql, params, many, context)
        return execute(f"{sql} + 1", params, many, context)

    def view() -> None:
        with sqlite.execute_wrapper(twice):
            assert sqlite.execute_wrappers == [twice]
            assert ask(sqlite, "SELECT 1") == [(2,)]
        assert sqlite.execute_wrappers == []

    assert [one["data"] for one in outgoing.record(view).said()] == ["SELECT ?", "SELECT ? + ?"]
    assert seen == ["SELECT 1"]


def test_what_a_wrapper_forbids_is_no_call(sqlite: Any) -> None:
    def blocker(*args: Any) -> None:
        raise RuntimeError("no queries here")

    def view() -> None:
        with sqlite.execute_wrapper(blocker), pytest.raises(RuntimeError, match="no queries here"):
            ask(sqlite, "SELECT 1")

    assert outgoing.record(view).said() == []


def test_queries_are_logged_as_before(sqlite: Any) -> None:
    ask(sqlite, "CREATE TABLE item (id int)")
    sqlite.force_debug_cursor = True

    def view() -> None:
        with sqlite.cursor() as cursor:
            cursor.execute(sql="SELECT %s", params=[1])
            cursor.executemany(sql="DELETE FROM item WHERE id = %s", param_list=iter([[1]]))

    assert len(outgoing.record(view).calls) == 2
    assert [one["sql"] for one in sqlite.queries] == ["SELECT 1", "? times: DELETE FROM item WHERE id = %s"]


def test_threads_of_async_views_belong_to_the_request(sqlite: Any) -> None:
    async def view() -> None:
        one = await sync_to_async(ask)(sqlite, "SELECT 1")
        assert one == [(1,)]
        assert await sync_to_async(ask)(sqlite, "SELECT 2") == [(2,)]

    sqlite.inc_thread_sharing()
    told = outgoing.record(lambda: asyncio.run(view())).said()
    assert [one["data"] for one in told] == ["SELECT ?", "SELECT ?"]


def test_no_connection_is_opened_and_no_error_is_another(tmp_path: pathlib.Path) -> None:
    options = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "missing" / "shop.db")}
    connection = ConnectionHandler({"default": options})["default"]

    def view() -> None:
        with pytest.raises(OperationalError):
            ask(connection, "SELECT 1")

    assert outgoing.record(view).said() == []
    assert connection.connection is None


def test_closed_cursors_fail_as_before(sqlite: Any) -> None:
    def view() -> None:
        cursor = sqlite.cursor()
        cursor.close()
        with pytest.raises(ProgrammingError):
            cursor.execute("SELECT 1")

    (told,) = outgoing.record(view).said()
    assert (told["success"], told["resultCode"]) == (False, "ProgrammingError")


def test_no_frame_of_ours_is_in_a_traceback(sqlite: Any) -> None:
    def view() -> None:
        with pytest.raises(OperationalError) as caught:
            ask(sqlite, "SELECT * FROM missing")
        assert outgoing.frames_of_ours(caught.value) == []

    outgoing.record(view)
    view()


def test_hidden_hosts_are_not_told(served: Any) -> None:
    hosts = frozenset([served.settings_dict["HOST"]])
    assert outgoing.record(lambda: ask(served, "SELECT 1"), hidden_hosts=hosts).said() == []


def test_nothing_is_recorded_outside_of_requests(sqlite: Any) -> None:
    assert ask(sqlite, "SELECT 1") == [(1,)]
