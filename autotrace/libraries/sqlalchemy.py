"""SQLAlchemy: a statement is one call, whatever driver executes it; what the driver does is a part of it."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Iterator, cast

from .. import guard
from ..calls import traced
from . import sql

# The name of a dialect → the service's.
_KINDS = {"mariadb": "mysql", "mssql": "SQL"}
# The methods of dialects that call a driver.
_METHODS = ("do_execute", "do_executemany", "do_execute_no_params")
# What stands in the place of such a method: some dialects have their own.
_ours: set[Any] = set()


def patch(module: Any) -> None:
    """Wrap those methods of `sqlalchemy.engine.default.DefaultDialect`, and of all dialects that have their own.

    That is done when the class of a dialect is made. Its `__init__` stays what it is: SQLAlchemy reads in its code
    which arguments an engine takes.
    """
    dialect = module.DefaultDialect
    for made in _family(dialect):
        _wrap(made)

    def __init_subclass__(cls: Any, **kwargs: Any) -> None:  # noqa: N807 - Python's name
        super(dialect, cls).__init_subclass__(**kwargs)
        try:
            _wrap(cls)
        except Exception as error:
            guard.failed("patching a dialect", error)

    dialect.__init_subclass__ = classmethod(cast(Any, __init_subclass__))


def _family(kind: Any) -> Iterator[Any]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _family(derived)


def _wrap(kind: Any) -> None:
    for name in _METHODS:
        owner = next((base for base in kind.__mro__ if name in vars(base)), None)
        method = None if owner is None else vars(owner)[name]
        if isinstance(method, FunctionType) and method not in _ours:
            ours = traced(method, _describe, sql.code_of)
            _ours.add(ours)
            setattr(owner, name, ours)


def _describe(dialect: Any, cursor: Any, statement: Any = None, *args: Any, **kwargs: Any) -> Any:
    kind = _KINDS.get(dialect.name, dialect.name)
    # The last argument, which may be missing.
    context = kwargs.get("context") or (args[-1] if args else None)
    connection = getattr(context, "root_connection", None)
    if connection is None:
        return sql.begin(kind, statement, "", None, None, "")
    url = connection.engine.url
    if kind == "sqlite":
        return sql.begin(kind, statement, "", None, None, sql.file_of(url.database or ":memory:"))
    host, port = sql.server_of(url.host or url.query.get("host"), url.port)
    return sql.begin(kind, statement, host, port, sql.DEFAULT_PORTS.get(kind), url.database or "")
