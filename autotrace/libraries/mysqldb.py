"""mysqlclient (MySQLdb): statements of its cursors; where a connection leads to is noted when it is made."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard
from ..calls import traced
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import sql

# Where a connection keeps its host, port and database: the library in C does not tell.
_KEPT = "_autotrace_server"


def patch(module: Any) -> None:
    """Wrap the methods of `MySQLdb.cursors.BaseCursor` that send statements."""
    for name in ("execute", "executemany"):
        wrap_method(module, f"BaseCursor.{name}", traced, _describe, sql.code_of)
    wrap_method(module, "BaseCursor.callproc", traced, _describe_procedure, sql.code_of)


def patch_connections(module: Any) -> None:
    """Wrap `MySQLdb.connections.Connection.__init__`."""
    wrap_method(module, "Connection.__init__", _noting)


def _noting(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - Python's name
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        try:
            vars(self)[_KEPT] = _server(self, *args, **kwargs)
        except Exception as error:
            guard.failed("reading the server of a connection", error)

    return __init__


def _server(
    connection: Any,
    host: Any = None,
    user: Any = None,
    password: Any = None,
    database: Any = None,
    port: Any = None,
    *args: Any,
    db: Any = None,
    **kwargs: Any,
) -> tuple[str, int | None, str]:
    if not host:
        # It may be in a file of options. This is as in "Localhost via UNIX socket".
        host = connection.get_host_info().partition(" via ")[0].lower()
    name = database or db or ""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    return (*sql.server_of(host, port), str(name))


def _describe(cursor: Any, query: Any = None, *args: Any, **kwargs: Any) -> Any:
    host, port, database = getattr(cursor.connection, _KEPT, None) or ("", None, "")
    return sql.begin("mysql", query, host, port, sql.DEFAULT_PORTS["mysql"], database)


def _describe_procedure(cursor: Any, procname: Any = None, *args: Any, **kwargs: Any) -> Any:
    if isinstance(procname, bytes):
        procname = procname.decode("utf-8", "replace")
    return _describe(cursor, sql.procedure(procname))
