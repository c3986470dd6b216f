"""sqlite3: its classes are in C, so that connections are made of subclasses of them."""

from __future__ import annotations

import sys
from functools import update_wrapper, wraps
from typing import Any

from .. import calls, guard
from ..callers import from_caller
from ..exceptions import hide_frame
from ..patching import replace_everywhere
from . import sql

# Where a connection keeps the name of its database.
_KEPT = "_autotrace_database"


def patch(module: Any) -> None:
    """Wrap `sqlite3.connect` under all of its names."""
    replace_everywhere(module.connect, _traced(module.connect, module))


def _traced(original: Any, module: Any) -> Any:
    cursor_class = sql.derived(module.Cursor, _traced_methods(module.Cursor, _describe))
    plain = module.Connection.cursor

    @wraps(plain)
    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            args = (sql.like(args[0], cursor_class), *args[1:])
        elif kwargs:
            kwargs["factory"] = sql.like(kwargs.get("factory", module.Cursor), cursor_class)
        else:
            args = (cursor_class,)
        try:
            return plain(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    methods = _traced_methods(module.Connection, _describe_of_connection)
    connection_class = sql.derived(module.Connection, {"cursor": cursor, **methods})
    opened = _warning(original)

    def connect(_: Any, database: Any, *args: Any, **kwargs: Any) -> Any:
        # The fifth behind the name of the database.
        if len(args) > 4:
            args = (*args[:4], sql.like(args[4], connection_class), *args[5:])
        else:
            kwargs["factory"] = sql.like(kwargs.get("factory", module.Connection), connection_class)
        try:
            connection = opened(database, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        if isinstance(connection, connection_class):
            try:
                vars(connection)[_KEPT] = sql.file_of(database)
            except Exception as error:
                guard.failed("reading the name of a database", error)
        return connection

    # Not a function: of a class that has it as an attribute it would become a method, which those in C do not.
    methods = {"__call__": connect, "__reduce__": lambda self: self.__name__}
    made = update_wrapper(type("connect", (), methods)(), original)
    # Found there by its name.
    made.__module__ = module.__name__
    return made


def _traced_methods(base: Any, describe: Any) -> dict[str, Any]:
    names = ("execute", "executemany", "executescript")
    return {name: calls.traced(_warning(getattr(base, name)), describe, _code_of) for name in names}


def _warning(original: Any) -> Any:
    # From Python 3.12 on they warn; before 3.11 the interpreter would put the frames back into tracebacks.
    return from_caller(original) if sys.version_info >= (3, 12) else original


def _describe(cursor: Any, statement: Any, *args: Any) -> Any:
    return _describe_of_connection(cursor.connection, statement)


def _describe_of_connection(connection: Any, statement: Any, *args: Any) -> Any:
    return sql.begin("sqlite", statement, "", None, None, vars(connection).get(_KEPT, ""))


def _code_of(error: Any) -> str:
    # From Python 3.11 on.
    return str(getattr(error, "sqlite_errorname", ""))
