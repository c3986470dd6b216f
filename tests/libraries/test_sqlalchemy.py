"""SQLAlchemy: one item a statement with every driver that is installed, patched too or not."""

from __future__ import annotations

import asyncio
import contextvars
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from opencensus.trace import execution_context
from sqlalchemy import event

from autotrace.recorder import Recorder
from tests import needs, outgoing
from tests.databases import Database
from tests.recordings import Kept, Shop, said, visit

try:
    from sqlalchemy.orm import declarative_base
except ImportError:
    from sqlalchemy.ext.declarative import declarative_base

from sqlalchemy.orm import Session

# The driver in the URL of an engine → its module, the server, and the codes of the two errors below.
SYNC = {
    "sqlite": ("sqlite3", None, "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_ERROR"),
    "postgresql+psycopg2": ("psycopg2", "postgresql", "23505", "42P01"),
    "postgresql+psycopg": ("psycopg", "postgresql", "23505", "42P01"),
    "postgresql+pg8000": ("pg8000", "postgresql", "23505", "42P01"),
    "mysql+pymysql": ("pymysql", "mysql", "1062", "1146"),
    "mariadb+pymysql": ("pymysql", "mysql", "1062", "1146"),
    "mysql+mysqldb": ("MySQLdb", "mysql", "1062", "1146"),
}
ASYNC = {
    "sqlite+aiosqlite": ("aiosqlite", None, "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_ERROR"),
    "postgresql+psycopg": ("psycopg", "postgresql", "23505", "42P01"),
    "postgresql+asyncpg": ("asyncpg", "postgresql", "23505", "42P01"),
}
Base: Any = declarative_base()

for patched in ("sqlalchemy", "sqlite3", "psycopg", "psycopg2", "pymysql", "mysqldb"):
    outgoing.patch_installed(patched)


class Item(Base):
    __tablename__ = "goods"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20))


def url_of(request: Any, driver: str, server: str | None, tmp_path: pathlib.Path) -> tuple[str, str]:
    """Return the URL of a database, and the target that calls should have."""
    if server is None:
        return f"{driver}:///{tmp_path}/shop.db", "shop.db"
    database: Database = request.getfixturevalue(server)
    place = f"{database.host}:{database.port}"
    return f"{driver}://{database.user}:{database.password}@{place}/{database.name}", f"{place} | {database.name}"


def make_engine(url: str, make: Any = sa.create_engine, **options: Any) -> Any:
    try:
        return make(url, **options)
    except sa.exc.NoSuchModuleError as error:
        pytest.skip(str(error))


def codes_of(module: str, *codes: str) -> list[str]:
    if "sqlite" in module and sys.version_info < (3, 11):
        return ["IntegrityError", "OperationalError"]
    return [*codes]


def statements(connection: Any) -> None:
    connection.execute(sa.text("INSERT INTO goods (id, name) VALUES (1, 's3cret')"))
    connection.execute(Item.__table__.insert(), [{"id": id, "name": "s3cret"} for id in (2, 3)])
    assert connection.execute(sa.text("SELECT count(*) FROM goods WHERE id > :id"), {"id": 1}).scalar() == 2
    connection.execute(sa.text("DELETE FROM goods"))


def failures(connection: Any) -> None:
    for _ in range(2):
        connection.execute(sa.text("INSERT INTO goods (id) VALUES (4)"))


@pytest.mark.parametrize("driver", sorted(SYNC))
def test_a_statement_is_told_once(request: Any, tmp_path: pathlib.Path, driver: str) -> None:
    module, server, *codes = SYNC[driver]
    needs.module(module)
    url, target = url_of(request, driver, server, tmp_path)
    engine = make_engine(url)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    connection = engine.connect()

    def view() -> None:
        with connection.begin():
            statements(connection)
        with pytest.raises(sa.exc.IntegrityError) as caught, connection.begin():
            failures(connection)
        assert outgoing.frames_of_ours(caught.value) == []
        with pytest.raises(sa.exc.DBAPIError), connection.begin():
            connection.execute(sa.text("SELECT * FROM missing"))

    told = outgoing.record(view).said()
    check(told, driver, target, codes_of(module, *codes))
    connection.close()
    engine.dispose()


def check(told: list[dict[str, Any]], driver: str, target: str, codes: list[str]) -> None:
    kind = driver.partition("+")[0].replace("mariadb", "mysql")
    assert {(one["type"], one["target"]) for one in told} == {(kind, target)}
    assert [(one["name"], one["resultCode"], one["success"]) for one in told] == [
        ("INSERT goods", "0", True),
        ("INSERT goods", "0", True),
        ("SELECT goods", "0", True),
        ("DELETE goods", "0", True),
        ("INSERT goods", "0", True),
        ("INSERT goods", codes[0], False),
        ("SELECT missing", codes[1], False),
    ]
    assert told[0]["data"] == "INSERT INTO goods (id, name) VALUES (?, ?)"
    assert "s3cret" not in str(told)


@pytest.mark.parametrize("driver", sorted(ASYNC))
def test_an_awaited_statement_is_told_once(request: Any, tmp_path: pathlib.Path, driver: str) -> None:
    module, server, *codes = ASYNC[driver]
    needs.module(module)
    asyncio_of = needs.module("sqlalchemy.ext.asyncio")
    url, target = url_of(request, driver, server, tmp_path)
    loop = asyncio.new_event_loop()
    engine = make_engine(url, asyncio_of.create_async_engine)

    async def prepare() -> Any:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        return await engine.connect()

    connection = loop.run_until_complete(prepare())

    async def view() -> None:
        async with connection.begin():
            await connection.run_sync(statements)
        with pytest.raises(sa.exc.IntegrityError) as caught:
            async with connection.begin():
                await connection.run_sync(failures)
        assert outgoing.frames_of_ours(caught.value) == []
        with pytest.raises(sa.exc.DBAPIError):
            async with connection.begin():
                await connection.execute(sa.text("SELECT * FROM missing"))

    told = outgoing.record(lambda: loop.run_until_complete(view())).said()
    check(told, driver, target, codes_of(module, *codes))
    loop.run_until_complete(connection.close())
    loop.run_until_complete(engine.dispose())
    loop.close()


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> Any:
    running = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")
    Base.metadata.create_all(running)
    yield running
    running.dispose()


def test_objects_and_many_rows_are_told(engine: Any) -> None:
    def view() -> None:
        session = Session(bind=engine)
        session.add_all([Item(id=id, name="s3cret") for id in range(5)])
        session.commit()
        assert session.query(Item).filter(Item.name == "s3cret").count() == 5
        session.close()

    told = outgoing.record(view).said()
    assert [one["name"] for one in told] == ["INSERT goods", "SELECT goods"]
    assert "s3cret" not in str(told)


def test_events_are_the_applications(engine: Any) -> None:
    seen = []

    def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        seen.append(statement)
        return f"{statement} + 1", parameters

    def instead(cursor: Any, statement: str, parameters: Any, context: Any) -> Any:
        if "instead" in statement:
            cursor.execute("SELECT 'instead'")
            return True

    event.listen(engine, "before_cursor_execute", before, retval=True)

    def view() -> None:
        connection = engine.connect()
        assert connection.execute(sa.text("SELECT 1")).scalar() == 2
        event.remove(engine, "before_cursor_execute", before)
        event.listen(engine, "do_execute", instead)
        assert connection.execute(sa.text("SELECT 'instead' WHERE 1 = 0")).scalar() == "instead"
        connection.close()

    assert not engine.dialect.dispatch.do_execute
    # The second is the driver's own: the application called it.
    assert [one["data"] for one in outgoing.record(view).said()] == ["SELECT ? + ?", "SELECT ?"]
    assert seen == ["SELECT 1"]


def test_dialects_that_call_a_driver_in_their_own_way_are_told(engine: Any) -> None:
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    class Own(SQLiteDialect_pysqlite):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.made = True

        def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            cursor.execute(statement, parameters)

        def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            super().do_executemany(cursor, statement, parameters, context=context)

    class Derived(Own):
        do_execute_no_params = "nonsense"

    assert Derived.made
    assert Derived.do_execute is Own.do_execute
    raw = engine.raw_connection()
    cursor = raw.cursor()

    def view() -> None:
        Derived().do_execute(cursor, "SELECT 1", ())
        Derived().do_execute(cursor=cursor, statement="SELECT 2", parameters=(), context=None)
        Derived().do_executemany(cursor, "DELETE FROM goods WHERE id = ?", iter([(1,), (2,)]))

    told = outgoing.record(view).said()
    assert [one["data"] for one in told] == ["SELECT ?", "SELECT ?", "DELETE FROM goods WHERE id = ?"]
    # Without a context the driver knows the database.
    assert {one["target"] for one in told} == {"shop.db"}
    raw.close()


def test_engines_that_are_given_their_connections_know_the_server_of_the_driver(postgresql: Database) -> None:
    psycopg2 = needs.module("psycopg2")
    words = {"host": postgresql.host, "port": postgresql.port, "dbname": "shop", "user": "clerk"}
    engine = sa.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(**words))
    connection = engine.connect()
    (told,) = outgoing.record(lambda: connection.execute(sa.text("SELECT 1"))).said()
    assert told["target"] == f"{postgresql.host}:{postgresql.port} | shop"
    connection.close()
    engine.dispose()


def test_engines_take_the_arguments_that_they_took() -> None:
    engine = sa.create_engine("sqlite://", paramstyle="named", label_length=20, echo=False)
    assert engine.dialect.paramstyle == "named"
    with pytest.raises(TypeError, match="nonsense"):
        sa.create_engine("sqlite://", nonsense=1)


def test_dialects_that_were_made_before_are_told() -> None:
    code = """
import importlib, sqlalchemy
from sqlalchemy.dialects.postgresql import psycopg2
from sqlalchemy.engine import default
before = psycopg2.PGDialect_psycopg2.do_executemany
importlib.import_module("autotrace.libraries.sqlalchemy").patch(default)
assert psycopg2.PGDialect_psycopg2.do_executemany is not before
assert psycopg2.PGDialect_psycopg2.do_executemany.__wrapped__ is before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_keep_their_calls_apart(engine: Any) -> None:
    def work(number: int) -> None:
        connection = engine.connect()
        query = sa.text(f"SELECT {number} AS column_{number}")
        for _ in range(25):
            assert connection.execute(query).fetchall() == [(number,)]
        connection.close()

    def view() -> None:
        contexts = [contextvars.copy_context() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            for number, context in enumerate(contexts):
                pool.submit(context.run, work, number)

    told = outgoing.record(view).said()
    assert len(told) == 8 * 25
    assert len({one["data"] for one in told}) == 8


def test_hidden_hosts_are_not_told(postgresql: Database) -> None:
    needs.module("psycopg2")
    engine = sa.create_engine(f"postgresql+psycopg2://clerk@{postgresql.host}:{postgresql.port}/shop")
    connection = engine.connect()
    hosts = frozenset([postgresql.host])
    assert outgoing.record(lambda: connection.execute(sa.text("SELECT 1")), hidden_hosts=hosts).said() == []
    connection.close()
    engine.dispose()


def test_a_statement_that_fails_ends_the_span_of_an_integration(engine: Any) -> None:
    needs.module("opencensus.ext.sqlalchemy.trace").trace_engine(engine)
    other = sa.create_engine("sqlite://")
    connection, unknown = engine.connect(), other.connect()

    def view() -> None:
        with execution_context.get_opencensus_tracer().span("outer"):
            for statement in ("SELECT * FROM missing", "SELECT * FROM nowhere"):
                with pytest.raises(sa.exc.OperationalError):
                    connection.execute(sa.text(statement))
            connection.execute(sa.text("SELECT 1"))
            unknown.execute(sa.text("SELECT 2 AS two"))

    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.view = view
    visit(shop)
    *items, request = kept.items()
    told = [(said(item)["name"], said(item)["success"]) for item in items]
    # Each statement once: three of the integration, two of which it never ends, and one that it knows nothing of.
    assert sorted(told) == [
        ("SELECT", True),
        ("outer", True),
        ("sqlalchemy.query", False),
        ("sqlalchemy.query", False),
        ("sqlalchemy.query", True),
    ]
    by_name = {said(item)["name"]: item for item in items}
    assert by_name["SELECT"]["tags"]["ai.operation.parentId"] == said(by_name["outer"])["id"]
    assert by_name["outer"]["tags"]["ai.operation.parentId"] == said(request)["id"]
    for one in (connection, unknown):
        one.close()
    other.dispose()


def test_nothing_is_recorded_outside_of_requests(engine: Any) -> None:
    connection = engine.connect()
    assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    connection.close()
