"""sqlite3: its classes are in C, so that connections are made of subclasses of them."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import calls, guard
from ..exceptions import hide_frame
from . import sql

# Where a connection keeps the name of its database.
_KEPT = "_autotrace_database"


def patch(module: Any) -> None:
    """Wrap `sqlite3.connect` under both of its names."""
    connect = _traced(module.connect, module)
    for place in (module, module.dbapi2):
        place.connect = connect


def _traced(original: Any, module: Any) -> Any:
    def make_connection(base: Any) -> dict[str, Any]:
        @wraps(base.cursor)
        def cursor(self: Any, factory: Any = module.Cursor) -> Any:
            if isinstance(factory, type) and issubclass(factory, module.Cursor):
                factory = sql.subclass(factory, _make_cursor)
            return base.cursor(self, factory)

        return {"cursor": cursor, **_traced_methods(base, _describe_of_connection)}

    @wraps(original)
    def connect(database: Any, *args: Any, **kwargs: Any) -> Any:
        # The fifth behind the name of the database.
        factory = args[4] if len(args) > 4 else kwargs.get("factory", module.Connection)
        known = isinstance(factory, type) and issubclass(factory, module.Connection)
        if known:
            ours = sql.subclass(factory, make_connection)
            if len(args) > 4:
                args = (*args[:4], ours, *args[5:])
            else:
                kwargs["factory"] = ours
        try:
            connection = original(database, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        if known:
            try:
                connection.__dict__[_KEPT] = sql.file_of(database)
            except Exception as error:
                guard.failed("reading the name of a database", error)
        return connection

    # Found there by its name.
    connect.__module__ = module.__name__
    return connect


def _make_cursor(base: Any) -> dict[str, Any]:
    return _traced_methods(base, _describe)


def _traced_methods(base: Any, describe: Any) -> dict[str, Any]:
    names = ("execute", "executemany", "executescript")
    return {name: calls.traced(getattr(base, name), describe, _code_of) for name in names}


def _describe(cursor: Any, statement: Any, *args: Any) -> Any:
    return _describe_of_connection(cursor.connection, statement)


def _describe_of_connection(connection: Any, statement: Any, *args: Any) -> Any:
    return sql.begin("sqlite", statement, "", None, None, vars(connection).get(_KEPT, ""))


def _code_of(error: Any) -> str:
    # From Python 3.11 on.
    return str(getattr(error, "sqlite_errorname", ""))
