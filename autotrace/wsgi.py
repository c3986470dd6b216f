"""The WSGI protocol (PEP 3333): a request from the application's call to the last byte of its body."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, Iterator, Mapping

from . import guard
from .current import CURRENT, is_current
from .exceptions import hide_frame
from .opencensus import release, resume
from .recorder import Passing, leave
from .recorders import Recorders
from .spans import span_of, tracer_of


def traced(original: Any, recorders: Recorders) -> Any:
    """Return the WSGI method `original` with its requests recorded; `recorders` has those of the method's objects.

    A plain function, not a proxy object: it is what every request calls first, and costs a third of one.
    """

    @wraps(original)
    def call(self: Any, environ: Any, start_response: Any) -> Any:
        recording: Any = None
        try:
            current = CURRENT.get()
            if current is not None and current.open:
                return _call_inside(current, original, self, environ, start_response)
            try:
                recorder = recorders.get(id(self)) or recorders.build(self)
                recording = recorder.start(environ)
            except Exception as error:
                guard.failed("starting a request", error)
            if recording is None:
                return original(self, environ, start_response)
            CURRENT.set(recording)
            if recording.sampled:

                def start(status: Any, *more: Any, **named: Any) -> Any:
                    recording.status = status
                    return start_response(status, *more, **named)

            else:
                start = start_response
            body = original(self, environ, start)
            CURRENT.set(None)
            left = release(recording) if recording.touched else None
            # In memory, and not replaced by middleware on its way here: all but its close() is over.
            whole = recording.inner is None or recording.inner is body
            if (recording.buffered and whole and (recording.status or not recording.sampled)) or is_list(body):
                recording.finish()
                return body
            return _watch(body, recording, environ, left)
        except BaseException as error:
            if recording is not None:
                leave(recording)
                if isinstance(error, StopIteration):
                    # How an application tells gunicorn that it has taken the socket over.
                    recording.status = recording.status or "101"
                else:
                    recording.fail(error)
                recording.finish()
            hide_frame(error)
            raise

    return call


def is_list(body: Any) -> bool:
    """Tell whether a body is a list or tuple, or used like one: no code of the application runs then."""
    kind = type(body)
    if kind in (list, tuple):
        return True
    return getattr(kind, "__iter__", None) in (list.__iter__, tuple.__iter__) and not hasattr(kind, "close")


def _call_inside(current: Any, original: Any, app: Any, environ: Any, start_response: Any) -> Any:
    """Pass on what is called within a request: a mounted application, or a request of the application to itself."""
    if current.environ is environ or is_current(environ):
        # The same request: a mounted application, or the same one's inner method.
        try:
            body = current.inner = original(app, environ, start_response)
            return body
        except BaseException as error:
            hide_frame(error)
            raise
    # One that the application sends in this process, as test clients do.
    inside = Passing()
    # Its spans belong to the request that it is sent from.
    inside.within = current.within or current
    inside.tracer, inside.span = tracer_of(current), span_of(current)
    CURRENT.set(inside)
    try:
        return original(app, environ, start_response)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        CURRENT.set(current)
        # A context that the application copied in there lives on.
        inside.close()


def _watch(body: Any, recording: Any, environ: Mapping[str, Any], left: Any) -> Any:
    try:
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            return _watch_file(body, recording)
        return (SizedBody if hasattr(body, "__len__") else Body)(body, recording, left)
    except Exception as error:
        guard.failed("watching a response", error)
        recording.finish()
        return body


def _watch_file(body: Any, recording: Any) -> Any:
    """End the request when the server closes the file; the body itself stays what the server's sendfile looks for."""
    close = getattr(body, "close", None)
    is_own = "close" in getattr(body, "__dict__", ())

    def close_and_finish() -> None:
        # First as it was: this function and the body refer to each other.
        if is_own:
            body.close = close
        else:
            del body.close
        try:
            if close is not None:
                close()
        finally:
            recording.finish()

    try:
        body.close = close_and_finish
    except AttributeError:
        # A wrapper that takes no attribute, such as uWSGI's: the server sends the file after its own fashion.
        recording.finish()
    return body


class Body:
    """A response body whose request ends with it. Whatever else is asked of it, the body itself answers."""

    def __init__(self, body: Any, recording: Any, left: Any) -> None:
        self._autotrace_body = body
        self._autotrace_left = left
        self._autotrace_recording = recording
        self._autotrace_next: Callable[[], Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        # Afresh for each iteration, where the body allows more than one.
        self._autotrace_next = None
        return self

    def __next__(self) -> Any:
        recording = self._autotrace_recording
        outer = self._autotrace_enter()
        try:
            if self._autotrace_next is None:
                self._autotrace_next = iter(self._autotrace_body).__next__
            chunk = self._autotrace_next()
        except StopIteration:
            recording.finish()
            raise
        except BaseException as error:
            recording.fail(error)
            recording.finish()
            hide_frame(error)
            raise
        finally:
            self._autotrace_left = leave(recording, outer)
        if chunk:
            recording.sent = True
        return chunk

    def _autotrace_enter(self) -> Any:
        """Go on with the request in this context; return what was current in it."""
        outer = CURRENT.get()
        CURRENT.set(self._autotrace_recording)
        if self._autotrace_left is not None:
            resume(self._autotrace_recording, self._autotrace_left)
        return outer

    def close(self) -> None:
        """Close the body as the server asked to, then end the request."""
        recording = self._autotrace_recording
        close = getattr(self._autotrace_body, "close", None)
        try:
            if close is not None:
                outer = self._autotrace_enter()
                try:
                    close()
                except BaseException as error:
                    if recording.open:
                        recording.fail(error)
                    hide_frame(error)
                    raise
                finally:
                    leave(recording, outer)
        finally:
            recording.finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_autotrace"):
            raise AttributeError(name)
        return getattr(self._autotrace_body, name)

    def __del__(self) -> None:
        # A server that forgets close(): the request still ends.
        self._autotrace_recording.finish_later()


class SizedBody(Body):
    """A body that knows its number of chunks: servers derive a Content-Length from a single one."""

    def __len__(self) -> int:
        return len(self._autotrace_body)
