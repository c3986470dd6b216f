"""PyMySQL: statements of its cursors."""

from __future__ import annotations

from typing import Any

from ..calls import traced
from ..patching import wrap_method
from . import sql


def patch(module: Any) -> None:
    """Wrap the methods of `pymysql.cursors.Cursor` that send statements; those of other cursors call them."""
    for name in ("execute", "executemany"):
        wrap_method(module, f"Cursor.{name}", traced, _describe, sql.code_of)
    wrap_method(module, "Cursor.callproc", traced, _describe_procedure, sql.code_of)


def _describe(cursor: Any, query: Any = None, *args: Any, **kwargs: Any) -> Any:
    connection = cursor.connection
    if connection is None:
        # The cursor is closed.
        return sql.begin("mysql", query, "", None, None, "")
    host, port = sql.server_of(connection.host, connection.port)
    database = connection.db or ""
    if isinstance(database, bytes):
        database = database.decode("utf-8", "replace")
    return sql.begin("mysql", query, host, port, sql.DEFAULT_PORTS["mysql"], database)


def _describe_procedure(cursor: Any, procname: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, sql.procedure(procname))
