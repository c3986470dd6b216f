"""Django's databases: a query is one call, whatever driver is below; what a driver is asked for is a part of it."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import calls
from ..exceptions import hide_frame
from ..patching import wrap_method
from . import sql

# Django's word → the service's.
_KINDS = {"microsoft": "SQL"}
# What goes on inside of it is not recorded.
_NOTHING = calls.Untold()


def patch(module: Any) -> None:
    """Wrap the methods of `django.db.backends.utils.CursorWrapper` behind which there is the driver.

    The application's execute_wrappers are in front of them: what they call is told as theirs, and of what they do
    with a query it is told what comes out.
    """
    for name in ("_execute", "_executemany"):
        wrap_method(module, f"CursorWrapper.{name}", calls.traced, _describe, sql.code_of)
    wrap_method(module, "CursorWrapper.callproc", calls.traced, _describe_procedure, sql.code_of)


def patch_sqlite(module: Any) -> None:
    """Wrap the method of `django.db.backends.sqlite3.base` that asks SQLite how values look in the log of Django.

    With DEBUG it does so after each query; the query alone is what is told.
    """
    wrap_method(module, "DatabaseOperations._quote_params_for_last_executed_query", _untold)


def _untold(original: Any) -> Any:
    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        outer = calls.CALL.get()
        calls.CALL.set(_NOTHING)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            calls.CALL.set(outer)

    return method


def _describe(cursor: Any, statement: Any = None, *args: Any) -> Any:
    database = cursor.db
    # A dict that belongs to the connection: no setting is read for it.
    known = database.settings_dict
    kind = _KINDS.get(database.vendor, database.vendor)
    name = known.get("NAME") or ""
    if kind == "sqlite":
        return sql.begin(kind, statement, "", None, None, sql.file_of(name))
    host, port = sql.server_of(known.get("HOST"), known.get("PORT"))
    return sql.begin(kind, statement, host, port, sql.DEFAULT_PORTS.get(kind), str(name))


def _describe_procedure(cursor: Any, procname: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, sql.procedure(procname))
