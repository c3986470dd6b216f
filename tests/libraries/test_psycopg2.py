"""psycopg2: statements of its cursors and of those of the application, whose classes stay what they are."""

from __future__ import annotations

import gc
import io
import pickle
import select
import threading
import weakref
from functools import partial
from typing import Any, Iterator

import psycopg2
import psycopg2.extras
import psycopg2.pool
import psycopg2.sql
import pytest

from tests import outgoing
from tests.databases import Database

outgoing.patch("psycopg2")


def connect(database: Database, **options: Any) -> Any:
    account = {"host": database.host, "port": database.port, "dbname": database.name, "user": database.user}
    return psycopg2.connect(**account, **options)


@pytest.fixture
def connection(postgresql: Database) -> Iterator[Any]:
    """A connection to a table of two items."""
    running = connect(postgresql)
    running.autocommit = True
    with running.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS item")
        cursor.execute("CREATE TABLE item (id int primary key, name text)")
        cursor.execute("INSERT INTO item VALUES (1, 'one'), (2, 'two')")
    yield running
    running.close()


def test_statements_are_told_without_values(connection: Any, postgresql: Database) -> None:
    def view() -> None:
        with connection.cursor() as cursor:
            cursor.execute(query="SELECT name FROM item WHERE id = %s", vars=[1])
            assert cursor.fetchall() == [("one",)]
            cursor.execute(b"SELECT 's3cret', E'it\\'s s3cret', 42")
            cursor.executemany("INSERT INTO item VALUES (%s, %s)", ((n, "s3cret") for n in range(3, 6)))
            psycopg2.extras.execute_values(cursor, "INSERT INTO item VALUES %s", [(6, "s3'cret"), (7, "s3\\cret")])
            cursor.callproc("abs", [-4711])
            assert cursor.fetchone() == (4711,)

    told = outgoing.record(view).said()
    target = f"{postgresql.host}:{postgresql.port} | shop"
    assert {(one["type"], one["target"], one["resultCode"], one["success"]) for one in told} == {
        ("postgresql", target, "0", True)
    }
    assert [(one["name"], one["data"]) for one in told] == [
        ("SELECT item", "SELECT name FROM item WHERE id = %s"),
        ("SELECT", "SELECT ?, ?"),
        ("INSERT item", "INSERT INTO item VALUES (%s, %s)"),
        ("INSERT item", "INSERT INTO item VALUES (?,?),(?,?)"),
        ("CALL", "CALL abs"),
    ]


def test_errors_are_the_databases(connection: Any) -> None:
    def view() -> None:
        for statement, kind in (
            ("SELECT * FROM missing", psycopg2.errors.UndefinedTable),
            ("INSERT INTO item VALUES (1, 'one')", psycopg2.IntegrityError),
        ):
            with pytest.raises(kind) as caught, connection.cursor() as cursor:
                cursor.execute(statement)
            assert outgoing.frames_of_ours(caught.value) == []
            assert caught.value.cursor is cursor
            copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made here
            assert copy.pgcode == caught.value.pgcode
        for wrong in (lambda: cursor.execute(), lambda: connection.cursor().execute("SELECT 1", nothing=1)):
            with pytest.raises(TypeError):
                wrong()
        with pytest.raises(psycopg2.InterfaceError):
            cursor.execute("SELECT 'closed'")

    told = outgoing.record(view).said()
    assert [one["resultCode"] for one in told] == ["42P01", "23505", "TypeError", "TypeError", "InterfaceError"]
    assert not any(one["success"] for one in told)
    view()


def test_composed_statements_are_told_without_asking_their_objects(connection: Any) -> None:
    asked = []

    class Secret:
        def __conform__(self, protocol: Any) -> Any:
            asked.append(protocol)
            return psycopg2.extensions.AsIs("7")

    sql = psycopg2.sql
    query = sql.SQL("SELECT {}, {} FROM {} WHERE id > {} AND id < {}").format(
        sql.Literal(Secret()),
        sql.SQL(", ").join(map(sql.Identifier, ["id", "name"])),
        sql.Identifier("public", "item"),
        sql.Placeholder(),
        sql.Placeholder(),
    )

    def view() -> None:
        with connection.cursor() as cursor:
            cursor.execute(query, (0, 9))
            assert len(cursor.fetchall()) == 2

    (told,) = outgoing.record(view).said()
    assert told["data"] == 'SELECT ?, "id", "name" FROM "public"."item" WHERE id > %s AND id < %s'
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["DictCursor", "RealDictCursor", "NamedTupleCursor", "LoggingCursor"])
@pytest.mark.parametrize("way", ["connect", "attribute", "cursor", "position", "connection"])
def test_cursors_are_those_that_the_application_asked_for(postgresql: Database, name: str, way: str) -> None:
    kind = getattr(psycopg2.extras, name)
    options = {}
    if way == "connect":
        options["cursor_factory"] = kind
    elif way == "connection":
        options["connection_factory"] = getattr(psycopg2.extras, name.replace("Cursor", "Connection"))

    def view() -> None:
        connection = connect(postgresql, **options)
        if name == "LoggingCursor":
            if way != "connection":
                connection.close()
                return
            connection.initialize(io.StringIO())
        if way == "attribute":
            assert connection.cursor_factory is None
            connection.cursor_factory = kind
        assert connection.cursor_factory is (kind if way in ("connect", "attribute") else None)
        if way == "cursor":
            cursor = connection.cursor(cursor_factory=kind)
        elif way == "position":
            cursor = connection.cursor(None, kind)
        else:
            cursor = connection.cursor()
        assert isinstance(cursor, kind)
        assert type(cursor).__name__ == kind.__name__
        assert cursor.connection is connection
        cursor.execute("SELECT 4711 AS number")
        row = cursor.fetchone()
        assert (row.number if name == "NamedTupleCursor" else row["number" if "Dict" in name else 0]) == 4711
        connection.close()

    told = outgoing.record(view).said()
    assert [one["data"] for one in told] == ["SELECT ? AS number"] * (name != "LoggingCursor" or way == "connection")


def test_classes_of_the_application_do_as_they_like(postgresql: Database) -> None:
    seen = []

    class MyCursor(psycopg2.extensions.cursor):
        __slots__ = ()

        def execute(self, query: Any, vars: Any = None) -> Any:
            seen.append(query)
            super().execute("SELECT 'before'")
            return super().execute(query, vars)

    class Mine(psycopg2.extensions.connection):
        def __init__(self, dsn: str, *args: Any) -> None:
            super().__init__(dsn, *args)
            self.mine = dsn

        def cursor(self) -> Any:
            return super().cursor(cursor_factory=MyCursor)

    class Plain(psycopg2.extensions.connection):
        def cursor(self, *args: Any, **kwargs: Any) -> Any:
            assert (args, kwargs) == ((), {})
            return super().cursor()

    def view() -> None:
        for factory in (Mine, Plain, lambda dsn: Mine(dsn)):
            connection = connect(postgresql, connection_factory=factory)
            assert isinstance(connection, (Mine, Plain))
            assert connection.closed == 0
            cursor = connection.cursor()
            cursor.execute("SELECT 'asked'")
            assert cursor.fetchone() == ("asked",)
            connection.close()
        with pytest.raises(ZeroDivisionError):
            connect(postgresql, connection_factory=lambda dsn: 1 / 0)

    assert len(outgoing.record(view).calls) == 3
    assert seen == ["SELECT 'asked'"] * 2


def test_named_cursors_and_transactions_are_told(connection: Any) -> None:
    connection.autocommit = False

    def view() -> None:
        with connection, connection.cursor("named", withhold=True, scrollable=True) as cursor:
            assert (cursor.name, cursor.withhold, cursor.scrollable) == ("named", True, True)
            cursor.execute("SELECT * FROM item")
            assert [row[0] for row in cursor] == [1, 2]
        with pytest.raises(KeyError), connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM item", {}["missing"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM item")
            assert cursor.fetchone() == (2,)

    names = [one["name"] for one in outgoing.record(view).said()]
    assert names == ["SELECT item", "SELECT item"]
    connection.rollback()


def test_copies_are_told(connection: Any) -> None:
    def view() -> None:
        with connection.cursor() as cursor:
            cursor.copy_from(io.StringIO("8\ts3cret\n"), "item")
            cursor.copy_to(io.StringIO(), table="item")
            cursor.copy_expert("COPY item FROM STDIN", file=io.StringIO("9\ts3cret\n"))
            cursor.copy_expert(sql="COPY item TO STDOUT", file=io.StringIO())
            with pytest.raises(psycopg2.errors.UniqueViolation):
                cursor.copy_from(io.StringIO("8\ts3cret\n"), "item")

    told = outgoing.record(view).said()
    assert [one["data"] for one in told] == ["COPY item FROM STDIN", "COPY item TO STDOUT"] * 2 + [
        "COPY item FROM STDIN"
    ]
    assert [one["resultCode"] for one in told] == ["0", "0", "0", "0", "23505"]


def test_pools_and_types_work(postgresql: Database) -> None:
    def view() -> None:
        pool = psycopg2.pool.ThreadedConnectionPool(
            1, 2, host=postgresql.host, port=postgresql.port, dbname="shop", user="clerk"
        )
        connection = pool.getconn()
        psycopg2.extras.register_uuid(conn_or_curs=connection)
        psycopg2.extras.register_default_json(connection, loads=lambda text: text)
        psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, connection)
        psycopg2.extras.register_composite("item", connection)
        with connection.cursor() as cursor:
            psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, cursor)
            cursor.execute("""SELECT '{"a": 1}'::json""")
            assert cursor.fetchone() == ('{"a": 1}',)
            assert psycopg2.extensions.quote_ident("a b", cursor) == '"a b"'
        pool.putconn(connection)
        pool.closeall()
        assert connection.closed

    assert "SELECT ?::json" in [one["data"] for one in outgoing.record(view).said()]


def test_asynchronous_connections_work(postgresql: Database) -> None:
    def wait(connection: Any) -> None:
        while True:
            state = connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            reads = state == psycopg2.extensions.POLL_READ
            select.select([connection] if reads else [], [] if reads else [connection], [], 9)

    def view() -> None:
        connection = connect(postgresql, async_=True)
        assert connection.async_
        wait(connection)
        cursor = connection.cursor()
        cursor.execute("SELECT 4711")
        wait(connection)
        assert cursor.fetchone() == (4711,)
        connection.close()

    (told,) = outgoing.record(view).said()
    assert (told["data"], told["target"]) == ("SELECT ?", f"{postgresql.host}:{postgresql.port} | shop")


def test_interrupted_statements_fail(connection: Any) -> None:
    def view() -> None:
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT pg_sleep(20)")
        timer.join()

    (told,) = outgoing.record(view).said()
    assert (told["resultCode"], told["success"]) == ("57014", False)


def test_nothing_is_kept_alive(postgresql: Database) -> None:
    connection = connect(postgresql)
    cursor = connection.cursor()
    outgoing.record(partial(cursor.execute, "SELECT 1"))
    gone = [weakref.ref(connection), weakref.ref(cursor)]
    connection.close()
    del connection, cursor
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_what_is_public_is_what_it_was(postgresql: Database) -> None:
    assert pickle.loads(pickle.dumps(psycopg2.connect)) is psycopg2.connect  # noqa: S301 - made here
    assert psycopg2.connect.__code__.co_filename == psycopg2.__file__
    with pytest.raises(psycopg2.OperationalError) as caught:
        connect(postgresql._replace(port=1))
    assert outgoing.frames_of_ours(caught.value) == []
    with pytest.raises(psycopg2.ProgrammingError):
        psycopg2.connect("nonsense")
    connection = connect(postgresql)
    assert isinstance(connection, psycopg2.extensions.connection)
    assert type(connection).__qualname__ == "connection"
    assert repr(connection).startswith("<connection object at ")
    connection.close()
