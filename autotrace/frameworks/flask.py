"""Flask: the application's WSGI call, its URL rule, and whether its response is in memory."""

from __future__ import annotations

import sys
from functools import wraps
from types import MethodType
from typing import Any

from werkzeug.exceptions import HTTPException, InternalServerError

from .. import guard, wsgi
from ..applications import build_recorder
from ..current import CURRENT
from ..exceptions import hide_frame
from ..patching import wrap_method, wrap_where_defined
from ..recorder import Recorder
from ..recorders import Recorders

# Kinds of response bodies that are in memory.
_WHOLE = (list, tuple)


def patch(module: Any) -> None:
    """Wrap the methods of `flask.app.Flask`: subclasses and applications made at any time are covered."""
    # Both calls, because a server may be given `app` or `app.wsgi_app`, and middleware sits between the two.
    inner = module.Flask.wsgi_app
    wrap_method(module, "Flask.wsgi_app", wsgi.traced, _recorders)
    wrap_method(module, "Flask.__call__", _traced, module.Flask.wsgi_app, inner)
    wrap_method(module, "Flask.finalize_request", _note_response)
    if sys.version_info < (3, 11):
        # Later versions let `finalize_request` hide its frame by itself.
        wrap_method(module, "Flask.log_exception", _without_us, module.Flask.finalize_request.__code__)
    # Flask's own, or of what Flask and Quart share.
    wrap_where_defined(module.Flask, "should_ignore_error", _note_late_route)
    wrap_where_defined(module.Flask, "_find_error_handler", _note_error)


def _traced(original: Any, outer: Any, inner: Any) -> Any:
    """Return `Flask.__call__` with its requests recorded.

    `outer` is the wrapped `Flask.wsgi_app` and `inner` the method itself: where nothing has taken its place, there is
    no need to go through the wrapper for the same request once more.
    """

    def call(self: Any, environ: Any, start_response: Any) -> Any:
        method = self.wsgi_app
        try:
            # The method of this application: its own may be that of another one.
            if type(method) is MethodType and method.__func__ is outer and method.__self__ is self:
                return inner(self, environ, start_response)
            return method(environ, start_response)
        except BaseException as error:
            hide_frame(error)
            raise

    # All that it does is to call `wsgi_app`, in every version so far.
    code = getattr(original, "__code__", None)
    is_simple = code is not None and code.co_names == ("wsgi_app",)
    return wraps(original)(wsgi.traced(call if is_simple else original, _recorders))


def _note_response(original: Any) -> Any:
    # Not in `full_dispatch_request`, where a frame of ours would stand in the tracebacks that the application logs.
    @wraps(original)
    def finalize_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            response = original(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        current = CURRENT.get()
        if current is None:
            return response
        # Not `is_streamed`: that runs code of whatever the application answered with. And what the application wants to
        # be called at the end belongs to the request.
        whole = type(getattr(response, "response", None)) in _WHOLE
        current.buffered = whole and not getattr(response, "_on_close", None)
        if current.live:
            try:
                # Werkzeug leaves the request object in the environ.
                environ = current.environ
                rule = environ["werkzeug.request"].url_rule
                if rule is None:
                    _note_route(current)
                else:
                    current.route = rule.rule
                    mount = environ["SCRIPT_NAME"]
                    if mount:
                        current.mount = mount
            except Exception:
                _note_route(current)
        return response

    return finalize_request


def _without_us(original: Any, ours: Any) -> Any:
    # A response that cannot be made fails inside of `finalize_request`: the application's log must not show the frame
    # of our function around it, whose code is `ours`.
    @wraps(original)
    def log_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
        entry = sys.exc_info()[2]
        while entry is not None:
            following = entry.tb_next
            if following is not None and following.tb_frame.f_code is ours:
                entry.tb_next = following.tb_next
            else:
                entry = following
        return original(self, *args, **kwargs)

    return log_exception


def _note_error(original: Any) -> Any:
    # What Flask asks about each exception of a request, also of one that a handler of the application answers. It
    # returns before the exception goes on: no frame of ours comes into its traceback.
    @wraps(original)
    def _find_error_handler(self: Any, error: Any, *args: Any, **kwargs: Any) -> Any:
        current = CURRENT.get()
        if current is not None and current.live:
            current.note(error, _failure_of)
        return original(self, error, *args, **kwargs)

    return _find_error_handler


def _failure_of(error: BaseException) -> BaseException | None:
    """Return the exception itself, None for one that is an answer below 500, such as `abort(404)`."""
    if isinstance(error, InternalServerError):
        # What Flask puts around an exception that nobody handles says nothing.
        original = vars(error).get("original_exception")
        return original if isinstance(original, BaseException) else error
    if isinstance(error, HTTPException) and isinstance(error.code, int) and error.code < 500:
        return None
    return error


def _note_late_route(original: Any) -> Any:
    # What Flask asks before it forgets a request that failed, also one whose exception goes on to the server.
    @wraps(original)
    def should_ignore_error(self: Any, *args: Any, **kwargs: Any) -> Any:
        current = CURRENT.get()
        if current is not None and current.live and current.route is None:
            _note_route(current)
        return original(self, *args, **kwargs)

    return should_ignore_error


def _note_route(current: Any) -> None:
    """Note the rule that the current request matched; never raises."""
    try:
        request = current.environ.get("werkzeug.request")
        if getattr(request, "url_rule", None) is None:
            # Nothing matched, or middleware handed on a copy of the environ, or somebody made a request object of his
            # own from it.
            import flask

            request = flask.request
        if request.url_rule is not None:
            current.route = request.url_rule.rule
            current.mount = request.environ.get("SCRIPT_NAME", "")
    except Exception as error:
        guard.failed("reading a Flask request", error)


def _locate(current: Any) -> None:
    """Note the rule of a request that is on its way, if it is known."""
    environ = current.environ
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    if rule is not None:
        current.route, current.mount = rule.rule, environ.get("SCRIPT_NAME", "")


def _build(app: Any) -> Recorder | None:
    recorder = build_recorder(app.name, app.config.get("OPENCENSUS"), _has_middleware(app))
    if recorder is not None:
        recorder.locate = _locate
    return recorder


def _has_middleware(app: Any) -> str | None:
    """Return the OpenCensus middleware that the application uses, None for none."""
    for function in (app.before_request_funcs or {}).get(None, ()):
        owner = getattr(function, "__self__", None)
        if owner is not None and any(
            base.__module__.startswith("opencensus.ext.flask") for base in type(owner).__mro__
        ):
            return type(owner).__name__
    return None


_recorders = Recorders(_build)
