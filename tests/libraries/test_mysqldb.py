"""mysqlclient: statements of all its cursors, and where connections lead to."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from tests import needs, outgoing
from tests.databases import Database
from tests.libraries.mysql_driver import MysqlDriver

MySQLdb = needs.module("MySQLdb")
needs.module("MySQLdb.cursors")

outgoing.patch("mysqldb")


class TestMySQLdb(MysqlDriver):
    module = MySQLdb

    def test_the_server_is_known_whatever_way_it_is_named(self, mysql: Database, tmp_path: pathlib.Path) -> None:
        options = tmp_path / "options"
        options.write_text(f"[client]\nhost={mysql.host}\nport={mysql.port}\n")
        ways: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((mysql.host, mysql.user, mysql.password, mysql.name, mysql.port), {}),
            (
                (),
                {
                    "host": mysql.host,
                    "port": mysql.port,
                    "user": mysql.user,
                    "passwd": mysql.password,
                    "db": mysql.name,
                },
            ),
            ((), {"read_default_file": str(options), "user": mysql.user, "password": mysql.password, "db": mysql.name}),
        ]

        def view() -> None:
            for args, kwargs in ways:
                running = MySQLdb.connect(*args, **kwargs)
                running.cursor().execute("SELECT 1")
                running.close()

        whole, named, found = (one["target"] for one in outgoing.record(view).said())
        assert whole == named == f"{mysql.host}:{mysql.port} | shop"
        # The library does not tell the port.
        assert found == f"{mysql.host} | shop"

    def test_connections_that_fail_fail_as_before(self, mysql: Database) -> None:
        with pytest.raises(MySQLdb.OperationalError) as caught:
            self.connect(mysql, port=1)
        assert outgoing.frames_of_ours(caught.value) == []
        with pytest.raises(TypeError):
            self.connect(mysql, nonsense=1)
