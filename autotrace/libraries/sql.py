"""What all databases have in common: how a statement is told, and drivers whose classes are written in C."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable

from .. import calls
from ..statements import tell


def begin(kind: str, statement: Any, host: str, port: int | None, default: int | None, database: str) -> Any:
    """Begin a call to a database; `kind` is its type, `statement` SQL as text or bytes, None for nothing known."""
    call = calls.begin(kind, host, port)
    if call is not None:
        server = calls.target_of(host, port, default)
        call.target = " | ".join(part for part in (server, database) if part)
        if isinstance(statement, bytes):
            statement = statement.decode("utf-8", "replace")
        if isinstance(statement, str):
            call.name, call.data = tell(kind, statement)
        else:
            call.name = "SQL"
    return call


@lru_cache(maxsize=200)
def subclass(base: type, make: Callable[[type], dict[str, Any]]) -> type:
    """Return a class like `base`, written in C, but for the methods that `make(base)` returns.

    Its name and module are those of `base`.
    """
    like = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type(base.__name__, (base,), {**like, **make(base)})
