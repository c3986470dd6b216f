"""psycopg2: its classes are in C, so that connections and cursors are made of subclasses of them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from ..calls import traced
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import sql

# Where a connection keeps its host, port and database.
_KEPT = "_autotrace_server"


def patch(module: Any) -> None:
    """Wrap `psycopg2._connect`, the function in C behind `psycopg2.connect`, which stays what it is."""
    wrap_method(module, "_connect", _connecting, module.extensions)


def _connecting(original: Any, extensions: Any) -> Any:
    connection_class = _connection_class(extensions)

    @wraps(original)
    def _connect(*args: Any, **kwargs: Any) -> Any:
        # How psycopg2.connect calls it.
        asked = kwargs.get("connection_factory")
        kwargs["connection_factory"] = sql.like(extensions.connection if asked is None else asked, connection_class)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return _connect


def _connection_class(extensions: Any) -> type:
    plain = extensions.connection
    cursor_class = sql.derived(extensions.cursor, _methods_of_cursor(extensions.cursor))

    @wraps(plain.cursor)
    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The second argument, or what the connection has for it.
        asked = args[1] if len(args) > 1 else kwargs.get("cursor_factory")
        if asked is None:
            asked = plain.cursor_factory.__get__(self)
        factory = sql.like(extensions.cursor if asked is None else asked, cursor_class)
        if len(args) > 1:
            args = (args[0], factory, *args[2:])
        else:
            kwargs["cursor_factory"] = factory
        try:
            return plain.cursor(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return sql.derived(plain, {"cursor": cursor})


def _methods_of_cursor(plain: Any) -> dict[str, Any]:
    describes = {
        "execute": _describe,
        "executemany": _describe,
        "callproc": _describe_procedure,
        "copy_expert": _describe_copy,
        "copy_from": _describe_copy_from,
        "copy_to": _describe_copy_to,
    }
    return {name: traced(getattr(plain, name), describe, sql.code_of) for name, describe in describes.items()}


def _describe(cursor: Any, query: Any = None, *args: Any, **kwargs: Any) -> Any:
    host, port, database = _server_of(cursor.connection)
    return sql.begin("postgresql", query, host, port, sql.DEFAULT_PORTS["postgresql"], database)


def _describe_procedure(cursor: Any, procname: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, sql.procedure(procname))


def _describe_copy(cursor: Any, sql: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, sql)


def _describe_copy_from(cursor: Any, file: Any = None, table: Any = "", *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, f"COPY {table} FROM STDIN")


def _describe_copy_to(cursor: Any, file: Any = None, table: Any = "", *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, f"COPY {table} TO STDOUT")


def _server_of(connection: Any) -> tuple[str, int | None, str]:
    # libpq is asked for each of it, once. It does not know any more when the connection is closed.
    known: tuple[str, int | None, str] | None = vars(connection).get(_KEPT)
    if known is None:
        if connection.closed:
            return "", None, ""
        told = _told(connection)
        known = vars(connection)[_KEPT] = (*sql.server_of(told.get("host"), told.get("port")), told.get("dbname") or "")
    return known


def _told(connection: Any) -> dict[str, Any]:
    # From psycopg2 2.8 on.
    info = getattr(connection, "info", None)
    if info is None:
        parameters: dict[str, Any] = connection.get_dsn_parameters()
        return parameters
    return {"host": info.host, "port": info.port, "dbname": info.dbname}
