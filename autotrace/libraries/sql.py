"""What all databases have in common: how a statement is told, and drivers whose classes are written in C."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any

from .. import calls, guard
from ..statements import tell
from . import composed

DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "SQL": 1433, "oracle": 1521}
# Bytes of a statement that are decoded: more than is told of one.
_LONGEST = 20_000
# Where drivers keep the code that the database gave an error.
_CODES = ("sqlstate", "pgcode", "sqlite_errorname")
# MySQL's numbers, SQLSTATE, the codes of Oracle and SQLite. A zero is what PyMySQL has for no number.
_IS_CODE = re.compile(r"[1-9]\d*|[0-9A-Z]{5}|[A-Z]+-\d+|SQLITE_\w+").fullmatch


def begin(kind: str, statement: Any, host: str, port: int | None, default: int | None, database: str) -> Any:
    """Begin a call to a database; `kind` is its type, `statement` SQL as text, bytes or composed, None for unknown."""
    call = calls.begin(kind, host, port)
    if call is None:
        outer = calls.CALL.get()
        if outer is not None and outer.is_open and outer.kind == kind and not outer.target:
            # An engine that is given its connections does not know where they lead to; the driver does.
            outer.target = _target(host, port, default, database)
        return None
    call.target = _target(host, port, default, database)
    if isinstance(statement, (bytes, bytearray)):
        statement = statement[:_LONGEST].decode("utf-8", "replace")
    elif type(statement) is not str:
        # Of a kind of text that the application made, the text alone: it is kept, and compared.
        statement = str.__str__(statement) if isinstance(statement, str) else composed.text_of(statement)
    if statement:
        call.name, call.data = tell(kind, statement)
    else:
        call.name = "SQL"
    return call


def _target(host: str, port: int | None, default: int | None, database: str) -> str:
    server = calls.target_of(host, port, default)
    return f"{server} | {database}" if server and database else server or database


def server_of(host: Any, port: Any) -> tuple[str, int | None]:
    """Return the host and the port of a server as settings and drivers have them; a socket of this machine has none."""
    if not isinstance(host, str) or host[:1] in ("", "/", "@"):
        return "", None
    # MySQL's drivers take a 0 for the default.
    return host, (int(port) or None) if str(port).isdigit() else None


def file_of(database: Any) -> str:
    """Return the name of a SQLite database: that of its file without the folder, and without options of a URI."""
    name = os.fsdecode(database)
    if name.startswith("file:"):
        name = name[5:].partition("?")[0]
    return os.path.basename(name)


def procedure(name: Any) -> str | None:
    """Return the statement that calls a stored procedure."""
    return f"CALL {name}" if isinstance(name, str) else None


def code_of(error: Any) -> str:
    """Return what the database called an error, whichever driver raised it; empty where nothing is known."""
    # Django's errors are made of the driver's.
    for one in (error, error.__cause__):
        # All drivers' errors have a base of that name (PEP 249).
        if any(base.__name__ == "Error" for base in type(one).__mro__):
            first = one.args[0] if one.args else None
            # So in pg8000, and with Oracle.
            first = first.get("C") if isinstance(first, dict) else getattr(first, "full_code", first)
            known = [getattr(one, name, None) for name in _CODES]
            # A number says more than the SQLSTATE that PyMySQL has too; a text may be a message.
            known.insert(0 if isinstance(first, int) else len(known), first)
            for code in known:
                if isinstance(code, (int, str)) and _IS_CODE(str(code)):
                    return str(code)
    return ""


def derived(base: Any, methods: dict[str, Any]) -> type:
    """Return a class like `base`, written in C, but for some methods; its name and module are those of `base`."""
    return _made(base, (base,), methods)


def like(factory: Any, ours: Any) -> Any:
    """Return what is to be made in the place of `factory`, which the application asks for.

    `ours` was derived from the class in C. It is that itself where the application asks for the class in C. For a
    class of the application it is one with `ours` right in front of the class in C, so that what its methods call is
    ours. Anything else is left as it is, as is a class that lets nobody derive from it.
    """
    try:
        if factory is ours.__base__:
            return ours
        if isinstance(factory, type) and issubclass(factory, ours.__base__):
            return factory if issubclass(factory, ours) else _mixed(factory, ours)
    except Exception as error:
        guard.failed("deriving a class of a database", error)
    return factory


@lru_cache(maxsize=200)
def _mixed(factory: Any, ours: Any) -> type:
    return _made(factory, (factory, ours), {})


def _made(alike: type, bases: tuple[type, ...], methods: dict[str, Any]) -> type:
    said = {"__module__": alike.__module__, "__qualname__": alike.__qualname__, "__doc__": alike.__doc__}
    return type(alike.__name__, bases, {**said, **methods})
