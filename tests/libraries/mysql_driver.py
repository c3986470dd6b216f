"""What all drivers for MySQL have to do, as tests: a file for each of them runs them with its module."""

from __future__ import annotations

import inspect
import pickle
import threading
from typing import Any, Iterator

import pytest

from tests import outgoing
from tests.databases import Database

_TABLES = ", ".join(f"information_schema.collations AS c{n}" for n in range(6))
LONG = f"SELECT count(*) FROM {_TABLES}"


class MysqlDriver:
    """The tests of a driver; `module` is what has its `connect`, its `cursors` and its errors."""

    module: Any

    def connect(self, database: Database, **options: Any) -> Any:
        account = {"user": database.user, "password": database.password, "database": database.name}
        return self.module.connect(**{**account, "host": database.host, "port": database.port, **options})

    @pytest.fixture
    def connection(self, mysql: Database) -> Iterator[Any]:
        """A connection to a table of two items."""
        running = self.connect(mysql, autocommit=True)
        cursor = running.cursor()
        for statement in (
            "DROP TABLE IF EXISTS item, other",
            "CREATE TABLE item (id int primary key, name text)",
            "INSERT INTO item VALUES (1, 'one'), (2, 'two')",
            "DROP PROCEDURE IF EXISTS double_it",
            "CREATE PROCEDURE double_it(a int) SELECT 2 * a",
        ):
            cursor.execute(statement)
        cursor.close()
        yield running
        running.close()

    def test_statements_are_told_without_values(self, connection: Any, mysql: Database) -> None:
        def view() -> None:
            cursor = connection.cursor()
            assert cursor.execute(query="SELECT name FROM item WHERE id = %s", args=[1]) == 1
            assert cursor.fetchall() == (("one",),)
            cursor.execute("SELECT 's3cret', \"it's s3cret\", 'it\\'s s3cret', 42 # s3cret")
            # One statement each for the server, and one in pieces.
            cursor.executemany("INSERT INTO item VALUES (%s, %s)", ((n, "s3cret") for n in range(3, 6)))
            cursor.executemany("UPDATE item SET name = %s WHERE id = %s", iter([("s3cret", 3), ("s3cret", 4)]))
            assert cursor.executemany("DELETE FROM item WHERE id = %s", []) is None
            assert cursor.callproc("double_it", (4711,)) == (4711,)
            assert cursor.fetchall() == ((9422,),)
            cursor.close()

        told = outgoing.record(view).said()
        target = f"{mysql.host}:{mysql.port} | shop"
        assert {(one["type"], one["target"], one["resultCode"], one["success"]) for one in told} == {
            ("mysql", target, "0", True)
        }
        assert [(one["name"], one["data"]) for one in told] == [
            ("SELECT item", "SELECT name FROM item WHERE id = %s"),
            ("SELECT", "SELECT ?"),
            ("INSERT item", "INSERT INTO item VALUES (%s, %s)"),
            ("UPDATE item", "UPDATE item SET name = %s WHERE id = %s"),
            ("DELETE item", "DELETE FROM item WHERE id = %s"),
            ("CALL", "CALL double_it"),
        ]

    def test_errors_are_the_databases(self, connection: Any) -> None:
        def view() -> None:
            cursor = connection.cursor()
            for statement, kind in (
                ("SELECT * FROM missing", self.module.ProgrammingError),
                ("INSERT INTO item VALUES (1, 'one')", self.module.IntegrityError),
                (b"SELEC", self.module.ProgrammingError),
            ):
                with pytest.raises(kind) as caught:
                    cursor.execute(statement)
                assert outgoing.frames_of_ours(caught.value) == []
            for wrong in (lambda: cursor.execute(), lambda: cursor.execute("SELECT 1", nothing=1)):
                with pytest.raises(TypeError):
                    wrong()
            cursor.close()
            with pytest.raises(self.module.ProgrammingError):
                cursor.execute("SELECT 'closed'")

        told = outgoing.record(view).said()
        assert [one["resultCode"] for one in told] == [
            "1146", "1062", "1064", "TypeError", "TypeError", "ProgrammingError",
        ]  # fmt: skip
        assert not any(one["success"] for one in told)
        view()

    @pytest.mark.parametrize("name", ["DictCursor", "SSCursor", "SSDictCursor"])
    def test_cursors_are_those_that_the_application_asked_for(self, mysql: Database, name: str) -> None:
        kind = getattr(self.module.cursors, name)

        class Mine(kind):
            def execute(self, query: Any, args: Any = None) -> Any:
                return super().execute(query, args)

        def view() -> None:
            for cursor_class in (kind, Mine):
                running = self.connect(mysql, cursorclass=cursor_class)
                with running.cursor() as cursor:
                    assert type(cursor) is cursor_class
                    cursor.execute("SELECT 4711 AS number")
                    assert list(cursor.fetchall()) == [{"number": 4711} if "Dict" in name else (4711,)]
                running.close()

        assert [one["data"] for one in outgoing.record(view).said()] == ["SELECT ? AS number"] * 2

    def test_interrupted_statements_fail(self, mysql: Database, connection: Any) -> None:
        killer = self.connect(mysql)
        number = connection.thread_id()
        timer = threading.Timer(0.2, lambda: killer.cursor().execute(f"KILL QUERY {number}"))

        def view() -> None:
            with pytest.raises(self.module.Error):
                connection.cursor().execute(LONG)

        # A thread that the request starts would belong to it.
        timer.start()
        (told,) = outgoing.record(view).said()
        assert (told["resultCode"], told["success"]) == ("1317", False)
        timer.join()
        killer.close()

    def test_methods_look_as_before(self) -> None:
        assert list(inspect.signature(self.module.cursors.Cursor.execute).parameters) == ["self", "query", "args"]
        assert pickle.loads(pickle.dumps(self.module.cursors.Cursor)) is self.module.cursors.Cursor  # noqa: S301 - made here

    def test_hidden_hosts_are_not_told(self, connection: Any, mysql: Database) -> None:
        hosts = frozenset([f"{mysql.host}:{mysql.port}"])
        assert outgoing.record(lambda: connection.cursor().execute("SELECT 1"), hidden_hosts=hosts).said() == []

    def test_nothing_is_recorded_outside_of_requests(self, connection: Any) -> None:
        assert connection.cursor().execute("SELECT 1") == 1
