"""psycopg 3: statements of all kinds of cursors, in text, bytes and composed, waited for or awaited."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
import traceback
from types import SimpleNamespace
from typing import Any, Iterator

import pytest

from autotrace.libraries import composed
from tests import needs, outgoing
from tests.databases import Database

psycopg = needs.module("psycopg")

outgoing.patch("psycopg")


@pytest.fixture
def connection(postgresql: Database) -> Iterator[Any]:
    """A connection outside of transactions, to a table of two items."""
    with connect(postgresql) as running:
        running.execute("DROP TABLE IF EXISTS item")
        running.execute("CREATE TABLE item (id int primary key, name text)")
        running.execute("INSERT INTO item VALUES (1, 'one'), (2, 'two')")
        yield running


def connect(database: Database, kind: Any = None, **options: Any) -> Any:
    account = {"host": database.host, "port": database.port, "dbname": database.name, "user": database.user}
    return (kind or psycopg.Connection).connect(autocommit=True, **account, **options)


def test_statements_are_told_without_values(connection: Any, postgresql: Database) -> None:
    def view() -> None:
        assert connection.execute("SELECT name FROM item WHERE id = %s", [1]).fetchall() == [("one",)]
        with connection.cursor() as cursor:
            assert cursor.execute(b"SELECT 's3cret', E'it\\'s s3cret', 42") is cursor
            cursor.execute(query="SELECT $$s3cret$$", params=None, prepare=True)
            cursor.executemany("INSERT INTO item VALUES (%s, %s)", ((n, "s3cret") for n in range(3, 6)))
        with connection.transaction():
            connection.execute("DELETE FROM item WHERE id > 2")

    told = outgoing.record(view).said()
    target = f"{postgresql.host}:{postgresql.port} | shop"
    assert {(one["type"], one["target"], one["resultCode"], one["success"]) for one in told} == {
        ("postgresql", target, "0", True)
    }
    assert [(one["name"], one["data"]) for one in told] == [
        ("SELECT item", "SELECT name FROM item WHERE id = %s"),
        ("SELECT", "SELECT ?, ?"),
        ("SELECT", "SELECT ?"),
        ("INSERT item", "INSERT INTO item VALUES (%s, %s)"),
        ("DELETE item", "DELETE FROM item WHERE id > ?"),
    ]


def test_errors_are_the_databases(connection: Any) -> None:
    def view() -> None:
        for statement, kind in (
            ("SELECT * FROM missing", psycopg.errors.UndefinedTable),
            ("INSERT INTO item VALUES (1, 'one')", psycopg.errors.UniqueViolation),
            ("SELECT 1 / 0", psycopg.errors.DivisionByZero),
        ):
            with pytest.raises(kind) as caught:
                connection.execute(statement)
            assert outgoing.frames_of_ours(caught.value) == []
        with pytest.raises(psycopg.ProgrammingError):
            connection.execute("SELECT %s", [1, 2])
        with pytest.raises(TypeError):
            connection.cursor().execute()
        with pytest.raises(TypeError):
            connection.cursor().execute("SELECT 1", nothing=1)

    told = outgoing.record(view).said()
    assert [one["resultCode"] for one in told] == [
        "42P01", "23505", "22012", "ProgrammingError", "TypeError", "TypeError",
    ]  # fmt: skip
    assert not any(one["success"] for one in told)
    view()


def test_composed_statements_are_told_without_asking_their_objects(connection: Any) -> None:
    class Secret:
        dumped = 0

    class Dumper(psycopg.adapt.Dumper):
        def dump(self, obj: Any) -> bytes:
            Secret.dumped += 1
            return b"s3cret"

    sql = psycopg.sql
    connection.adapters.register_dumper(Secret, Dumper)
    query = sql.SQL("SELECT {}, {}, {} FROM {} WHERE {} > %s").format(
        sql.Literal(Secret()),
        sql.Literal(5),
        sql.SQL(", ").join([sql.Identifier("id"), sql.Identifier("item", "name")]),
        sql.Identifier("item"),
        sql.Identifier("id"),
    )

    def view() -> None:
        cursor = connection.execute(query, [0])
        assert len(cursor.fetchall()) == 2
        assert cursor._query is not None

    (told,) = outgoing.record(view).said()
    assert told["data"] == 'SELECT ?, ?, "id", "item"."name" FROM "item" WHERE "id" > %s'
    assert told["name"] == "SELECT item"
    once = Secret.dumped
    view()
    assert Secret.dumped == 2 * once


def test_template_strings_are_told_without_values() -> None:
    class Template:
        def __init__(self, strings: tuple[str, ...], *values: tuple[Any, str]) -> None:
            self.strings = strings
            self.interpolations = [SimpleNamespace(value=value, format_spec=spec) for value, spec in values]

    inner = Template((" WHERE id = ", ""), ("s3cret", ""))
    outer = Template(("SELECT ", " FROM ", "", ""), ("s3cret", "l"), ("item", "i"), (inner, "q"))
    assert composed.text_of(outer) == 'SELECT ? FROM "item" WHERE id = ?'
    assert composed.text_of(object()) == ""


@pytest.mark.parametrize("name", ["ClientCursor", "RawCursor", "ServerCursor"])
def test_all_kinds_of_cursors_are_told(connection: Any, name: str) -> None:
    kind = getattr(psycopg, name, None) or pytest.skip(f"psycopg {psycopg.__version__} has no {name}")

    class Mine(kind):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            return super().execute(*args, **kwargs)

    def view() -> None:
        for cursor_kind in (kind, Mine):
            with connection.transaction():
                cursor = cursor_kind(connection, *(["mine"] if name == "ServerCursor" else []))
                assert type(cursor) is cursor_kind
                assert len(cursor.execute("SELECT * FROM item").fetchall()) == 2
                cursor.close()

    told = outgoing.record(view).said()
    assert [(one["name"], one["success"]) for one in told] == [("SELECT item", True)] * 2


def test_streams_are_told_at_their_first_row(connection: Any) -> None:
    def view() -> None:
        cursor = connection.cursor()
        rows = cursor.stream("SELECT generate_series(1, 3)")
        assert inspect.isgenerator(rows)
        assert next(rows) == (1,)
        other = connect_again(connection)
        other.execute("SELECT 'in between'")
        other.close()
        assert list(rows) == [(2,), (3,)]
        assert list(cursor.stream("SELECT 1 WHERE 1 = 0")) == []
        with pytest.raises(psycopg.errors.UndefinedTable):
            list(cursor.stream("SELECT * FROM missing"))
        early = cursor.stream(query="SELECT generate_series(1, 100000)", params=None)
        next(early)
        early.close()
        # It is cancelled, and the connection can be used.
        assert connection.execute("SELECT 1").fetchone() == (1,)
        late = cursor.stream("SELECT 1 / (3 - generate_series(1, 5))")
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            list(late)
        assert outgoing.frames_of_ours(caught.value) == []
        cursor.stream("SELECT 'never started'")

    told = outgoing.record(view).said()
    assert [(one["data"], one["resultCode"]) for one in told[:4]] == [
        ("SELECT generate_series(?, ?)", "0"),
        ("SELECT ?", "0"),
        ("SELECT ? WHERE ? = ?", "0"),
        ("SELECT * FROM missing", "42P01"),
    ]
    assert len(told) == 7
    view()


def connect_again(connection: Any) -> Any:
    return psycopg.connect(connection.info.dsn, autocommit=True)


def test_copies_are_told_as_a_whole(connection: Any) -> None:
    def view() -> None:
        cursor = connection.cursor()
        with cursor.copy("COPY item FROM STDIN") as copy:
            copy.write_row((7, "s3cret"))
            other = connect_again(connection)
            other.execute("SELECT 'in between'")
            other.close()
        assert cursor.rowcount == 1
        with cursor.copy(statement="COPY item TO STDOUT") as copy:
            assert len(list(copy.rows())) == 3
        with pytest.raises(psycopg.errors.UniqueViolation), cursor.copy("COPY item FROM STDIN") as copy:
            copy.write_row((7, "s3cret"))
        with pytest.raises(psycopg.errors.UndefinedTable), cursor.copy("COPY missing FROM STDIN"):
            pass
        for raised in (KeyError("mine"), StopIteration(7)):
            with pytest.raises(type(raised)) as caught, cursor.copy("COPY item FROM STDIN"):
                raise raised
            assert caught.value is raised
            assert outgoing.frames_of_ours(raised) == []

    told = outgoing.record(view).said()
    codes = ["0", "0", "0", "23505", "42P01", "KeyError", "StopIteration"]
    assert [one["resultCode"] for one in told] == codes
    assert [one["data"] for one in told[:3]] == ["SELECT ?", "COPY item FROM STDIN", "COPY item TO STDOUT"]
    connection.execute("DELETE FROM item WHERE id = 7")
    view()


def test_tracebacks_of_copies_are_what_they_were(postgresql: Database, connection: Any) -> None:
    def functions(error: BaseException) -> list[str]:
        return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]

    def view() -> list[list[str]]:
        cursor = connection.cursor()
        found = []
        with pytest.raises(psycopg.errors.UndefinedTable) as missing, cursor.copy("COPY missing FROM STDIN"):
            pass
        with pytest.raises(psycopg.errors.UniqueViolation) as twice, cursor.copy("COPY item FROM STDIN") as copy:
            copy.write_row((1, "s3cret"))
        with pytest.raises(KeyError) as own, cursor.copy("COPY item FROM STDIN"):
            raise KeyError
        with pytest.raises(TypeError) as wrong:
            cursor.copy(nonsense=1)
        for caught in (missing, twice, own, wrong):
            assert outgoing.frames_of_ours(caught.value) == []
            found.append(functions(caught.value))
        return found

    async def awaited() -> list[list[str]]:
        found = []
        async with await connect(postgresql, psycopg.AsyncConnection) as running, running.cursor() as cursor:
            with pytest.raises(psycopg.errors.UndefinedTable) as missing:
                async with cursor.copy("COPY missing FROM STDIN"):
                    pass
            with pytest.raises(KeyError) as own:
                async with cursor.copy("COPY item FROM STDIN"):
                    raise KeyError
            for caught in (missing, own):
                assert outgoing.frames_of_ours(caught.value) == []
                found.append(functions(caught.value))
        return found

    inside: list[Any] = []
    outgoing.record(lambda: inside.extend((view(), asyncio.run(awaited()))))
    if outgoing.HIDES_FRAMES:
        assert inside == [view(), asyncio.run(awaited())]


def test_awaited_statements_are_told(postgresql: Database, connection: Any) -> None:
    async def view() -> None:
        running = await connect(postgresql, psycopg.AsyncConnection)
        await running.execute("SELECT 1")
        async with running.cursor() as cursor:
            await cursor.executemany("INSERT INTO item VALUES (%s, %s)", iter([(8, "s3cret")]))
            assert [row async for row in cursor.stream("SELECT generate_series(1, 2)")] == [(1,), (2,)]
            async with cursor.copy("COPY item FROM STDIN") as copy:
                await copy.write_row((9, "s3cret"))
            with pytest.raises(psycopg.errors.UndefinedTable) as caught:
                await cursor.execute("SELECT * FROM missing")
            with pytest.raises(psycopg.errors.UndefinedTable):
                _ = [row async for row in cursor.stream("SELECT * FROM missing")]
            with pytest.raises(KeyError, match="mine"):
                async with cursor.copy("COPY item FROM STDIN"):
                    raise KeyError("mine")
        assert outgoing.frames_of_ours(caught.value) == []
        async with running.transaction(), running.cursor("named") as named:
            await named.execute("SELECT * FROM item")
            assert await named.fetchone() is not None
        await running.close()

    told = outgoing.record(lambda: asyncio.run(view())).said()
    codes = ["0", "0", "0", "0", "42P01", "42P01", "KeyError", "0"]
    assert [one["resultCode"] for one in told] == codes
    assert {one["target"] for one in told} == {f"{postgresql.host}:{postgresql.port} | shop"}
    connection.execute("DELETE FROM item")
    asyncio.run(view())


def test_tasks_and_threads_keep_their_calls_apart(postgresql: Database) -> None:
    async def one(number: int) -> None:
        async with await connect(postgresql, psycopg.AsyncConnection) as running:
            await running.execute(f"SELECT pg_sleep(0.05) AS column_{number}")

    async def view() -> None:
        await asyncio.gather(*(one(number) for number in range(4)))

    assert len(outgoing.record(lambda: asyncio.run(view())).calls) == 4


def test_interrupted_statements_fail(postgresql: Database, connection: Any) -> None:
    def view() -> None:
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")
        timer.join()

        async def wait() -> None:
            async with await connect(postgresql, psycopg.AsyncConnection) as running:
                await asyncio.wait_for(running.execute("SELECT pg_sleep(20)"), 0.2)

        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(wait())

    told = outgoing.record(view).said()
    assert [one["resultCode"] for one in told] in (["57014", "CancelledError"], ["57014", "57014"])


def test_closed_cursors_and_connections_fail_as_before(postgresql: Database) -> None:
    def view() -> None:
        connection = connect(postgresql)
        cursor = connection.cursor()
        cursor.close()
        with pytest.raises(psycopg.InterfaceError):
            cursor.execute("SELECT 1")
        cursor = connection.cursor()
        connection.close()
        with pytest.raises(psycopg.OperationalError):
            cursor.execute("SELECT 1")

    told = outgoing.record(view).said()
    assert [one["resultCode"] for one in told] == ["InterfaceError", "OperationalError"]


def test_methods_look_as_before() -> None:
    for kind in (psycopg.Cursor, psycopg.AsyncCursor, psycopg.ServerCursor):
        assert str(inspect.signature(kind.execute)).startswith("(self, query")
        assert pickle.loads(pickle.dumps(kind)) is kind  # noqa: S301 - made here
    assert inspect.iscoroutinefunction(psycopg.AsyncCursor.execute)
    assert not inspect.iscoroutinefunction(psycopg.Cursor.execute)


def test_hidden_hosts_are_not_told(connection: Any, postgresql: Database) -> None:
    hosts = frozenset([f"{postgresql.host}:{postgresql.port}"])
    assert outgoing.record(lambda: connection.execute("SELECT 1"), hidden_hosts=hosts).said() == []
