"""psycopg 3: statements of all its cursors; of a stream it is told how long the first row took, a copy as a whole."""

from __future__ import annotations

from functools import wraps
from typing import Any, AsyncIterator, Iterator
from weakref import WeakKeyDictionary

from ..calls import CALL, Call, begun, failed, traced, traced_async
from ..current import CURRENT
from ..exceptions import hide_frame
from ..opencensus import own_tracer
from ..patching import wrap_method
from . import sql

# Connection → its host, port and database: libpq is asked for each of them, and text is made of it.
_known: WeakKeyDictionary[Any, tuple[str, int | None, str]] = WeakKeyDictionary()


def patch(module: Any) -> None:
    """Wrap the methods of the classes of `psycopg` that send statements; those of other cursors call them."""
    for name in ("Cursor.execute", "Cursor.executemany", "ServerCursor.execute"):
        wrap_method(module, name, traced, _describe, sql.code_of)
        wrap_method(module, f"Async{name}", traced_async, _describe, sql.code_of)
    wrap_method(module, "Cursor.stream", _streamed)
    wrap_method(module, "AsyncCursor.stream", _streamed_async)
    wrap_method(module, "Cursor.copy", _copied, _Copying)
    wrap_method(module, "AsyncCursor.copy", _copied, _AsyncCopying)


def _describe(cursor: Any, query: Any = None, *args: Any, **kwargs: Any) -> Any:
    return sql.begin("postgresql", query, *_server_of(cursor.connection))


def _describe_copy(cursor: Any, statement: Any = None, *args: Any, **kwargs: Any) -> Any:
    return _describe(cursor, statement)


def _server_of(connection: Any) -> tuple[str, int | None, int, str]:
    known = _known.get(connection)
    if known is None:
        if connection.closed:
            # It does not know any more.
            return "", None, 5432, ""
        info = connection.info
        known = _known[connection] = (*sql.server_of(info.host, info.port), info.dbname)
    host, port, database = known
    return host, port, 5432, database


def _streamed(original: Any) -> Any:
    @wraps(original)
    def stream(*args: Any, **kwargs: Any) -> Any:
        rows = original(*args, **kwargs)
        return rows if _is_idle() else _stream(rows, args, kwargs)

    return stream


def _stream(rows: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    try:
        call = begun(_describe, args, kwargs)
        if call is not None:
            outer = CALL.get()
            CALL.set(call)
            try:
                first = next(rows)
            except StopIteration:
                call.finish()
                return
            except BaseException as error:
                failed(call, error, sql.code_of)
                raise
            finally:
                CALL.set(outer)
            call.finish()
            yield first
        yield from rows
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        # Where the application stops early, the query is cancelled now.
        rows.close()


def _streamed_async(original: Any) -> Any:
    @wraps(original)
    def stream(*args: Any, **kwargs: Any) -> Any:
        rows = original(*args, **kwargs)
        return rows if _is_idle() else _stream_async(rows, args, kwargs)

    return stream


async def _stream_async(rows: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
    try:
        call = begun(_describe, args, kwargs)
        if call is not None:
            outer = CALL.get()
            CALL.set(call)
            try:
                first = await rows.__anext__()
            except StopAsyncIteration:
                call.finish()
                return
            except BaseException as error:
                failed(call, error, sql.code_of)
                raise
            finally:
                CALL.set(outer)
            call.finish()
            yield first
        async for row in rows:
            yield row
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        await rows.aclose()


def _copied(original: Any, recorded: Any) -> Any:
    @wraps(original)
    def copy(*args: Any, **kwargs: Any) -> Any:
        try:
            manager = original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        return manager if _is_idle() else recorded(manager, args, kwargs)

    return copy


class _Managed:
    """What manages a copy, of which the whole is a call, but for what the application does in its block."""

    def __init__(self, manager: Any, args: Any, kwargs: Any) -> None:
        self._manager = manager
        self._arguments = args, kwargs
        self._call: Call | None = None


class _Copying(_Managed):
    def __enter__(self) -> Any:
        self._call = begun(_describe_copy, *self._arguments)
        try:
            return self._manager.__enter__()
        except BaseException as error:
            _end(self._call, error)
            hide_frame(error)
            raise

    def __exit__(self, kind: Any, raised: Any, traceback: Any) -> Any:
        try:
            swallowed = self._manager.__exit__(kind, raised, traceback)
        except BaseException as error:
            _end(self._call, error)
            hide_frame(error)
            raise
        _end(self._call, None if swallowed else raised)
        return swallowed


class _AsyncCopying(_Managed):
    async def __aenter__(self) -> Any:
        self._call = begun(_describe_copy, *self._arguments)
        try:
            return await self._manager.__aenter__()
        except BaseException as error:
            _end(self._call, error)
            hide_frame(error)
            raise

    async def __aexit__(self, kind: Any, raised: Any, traceback: Any) -> Any:
        try:
            swallowed = await self._manager.__aexit__(kind, raised, traceback)
        except BaseException as error:
            _end(self._call, error)
            hide_frame(error)
            raise
        _end(self._call, None if swallowed else raised)
        return swallowed


def _end(call: Call | None, error: BaseException | None = None) -> None:
    if call is None:
        return
    if error is None:
        call.finish()
    else:
        failed(call, error, sql.code_of)


def _is_idle() -> bool:
    return CURRENT.get() is None and own_tracer() is None
