"""Flask: the application's WSGI call, its URL rule, and whether its response is in memory."""

from __future__ import annotations

from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from .. import wsgi
from ..applications import build_recorder
from ..current import CURRENT, is_current
from ..patching import wrap_method
from ..recorder import Recorder

_recorders: WeakKeyDictionary[Any, Recorder | None] = WeakKeyDictionary()


def patch(module: Any) -> None:
    """Wrap the methods of `flask.app.Flask`: subclasses and applications made at any time are covered."""
    # Both calls, because a server may be given `app` or `app.wsgi_app`, and middleware sits between the two.
    wrap_method(module, "Flask.__call__", wsgi.traced, _find_recorder)
    wrap_method(module, "Flask.wsgi_app", wsgi.traced, _find_recorder)
    wrap_method(module, "Flask.request_context", _note_request)
    wrap_method(module, "Flask.finalize_request", _note_response)


def _note_request(original: Any) -> Any:
    @wraps(original)
    def request_context(self: Any, environ: Any) -> Any:
        context = original(self, environ)
        current = CURRENT.get()
        if current is not None and (current.environ is environ or is_current(environ)):
            request = context.request
            current.mount = environ.get("SCRIPT_NAME", "")
            current.route = lambda: None if request.url_rule is None else request.url_rule.rule
        return context

    return request_context


def _note_response(original: Any) -> Any:
    @wraps(original)
    def finalize_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(self, *args, **kwargs)
        current = CURRENT.get()
        if current is not None:
            # Not `is_streamed`: that runs code of whatever the application answered with.
            current.buffered = type(getattr(response, "response", None)) in (list, tuple)
        return response

    return finalize_request


def _find_recorder(app: Any) -> Recorder | None:
    try:
        return _recorders[app]
    except KeyError:
        # Of two threads that come first together, both use what one has built.
        built = build_recorder(app.name, app.config.get("OPENCENSUS"), _has_middleware(app))
        return _recorders.setdefault(app, built)


def _has_middleware(app: Any) -> str | None:
    """Return the OpenCensus middleware that the application uses, None for none."""
    for function in (app.before_request_funcs or {}).get(None, ()):
        owner = getattr(function, "__self__", None)
        if owner is not None and any(
            base.__module__.startswith("opencensus.ext.flask") for base in type(owner).__mro__
        ):
            return type(owner).__name__
    return None
