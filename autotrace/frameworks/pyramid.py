"""Pyramid: the router's WSGI call and its matched route or traversed context."""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any

from pyramid.httpexceptions import HTTPException, HTTPNotFound

from .. import guard, wsgi
from ..applications import build_recorder
from ..current import CURRENT, is_current
from ..exceptions import hide_frame
from ..patching import wrap_method
from ..recorder import Recorder
from ..recorders import Recorders

_TWEEN = "opencensus.ext.pyramid.pyramid_middleware.OpenCensusTweenFactory"


def patch(module: Any) -> None:
    """Wrap the methods of `pyramid.router.Router`."""
    wrap_method(module, "Router.__call__", wsgi.traced, _recorders)
    wrap_method(module, "Router.handle_request", _note_route)
    wrap_method(sys.modules["pyramid.view"], "ViewMethodsMixin.invoke_exception_view", _note_error)


def _note_route(original: Any) -> Any:
    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        current = CURRENT.get()
        # A subrequest is another one; a copy that a tween made of the request is not.
        if current is None or not current.live or not _is_same(current.environ, request.environ):
            return original(self, request)
        found = True
        current.asked = request
        try:
            return original(self, request)
        except BaseException as error:
            # Where nothing was found, what traversal made of the path is the client's invention.
            found = not isinstance(error, HTTPNotFound)
            current.note(error, _failure_of)
            hide_frame(error)
            raise
        finally:
            current.asked = None
            # Learnt now: the router takes the context away from the request when it ends.
            _learn(current, request, found)

    return handle_request


def _learn(current: Any, request: Any, found: bool) -> None:
    """Note where a request has got to; never raises."""
    try:
        current.mount = request.environ.get("SCRIPT_NAME", "")
        current.route = _route(request.__dict__, found)
    except Exception as error:
        guard.failed("reading a Pyramid request", error)


def _locate(current: Any) -> None:
    """Note the route of a request that is on its way, if it is known."""
    if current.asked is not None:
        _learn(current, current.asked, True)


def _note_error(original: Any) -> Any:
    # What turns an exception into a response, also one that a tween raised.
    @wraps(original)
    def invoke_exception_view(self: Any, exc_info: Any = None, *args: Any, **kwargs: Any) -> Any:
        current = CURRENT.get()
        raised = exc_info[1] if exc_info else sys.exc_info()[1]
        # A subrequest's is its caller's business.
        if current is not None and current.live and _is_same(current.environ, getattr(self, "environ", {})):
            current.note(raised, _failure_of)
        try:
            return original(self, exc_info, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return invoke_exception_view


def _is_same(environ: Any, other: Any) -> bool:
    return (
        environ is other or is_current(other) or (bool(environ) and environ.get("PATH_INFO") == other.get("PATH_INFO"))
    )


def _failure_of(error: BaseException | None) -> BaseException | None:
    """Return the exception itself, None for one that is an answer below 500, such as HTTPFound."""
    is_answer = isinstance(error, HTTPException) and isinstance(error.code, int) and error.code < 500
    return None if is_answer else error


def _route(attributes: Any, found: bool) -> str | None:
    matched = attributes.get("matched_route")
    if matched is not None:
        return "/" + str(matched.pattern).lstrip("/")
    if not found or "view_name" not in attributes:
        return None
    name = attributes["view_name"]
    return f"/{type(attributes.get('context')).__name__}" + (f"/{name}" if name else "")


def _build(router: Any) -> Recorder | None:
    registry = router.registry
    name = getattr(registry, "package_name", "") or "pyramid"
    recorder = build_recorder(name, (registry.settings or {}).get("OPENCENSUS"), _has_middleware(registry))
    if recorder is not None:
        recorder.locate = _locate
    return recorder


def _has_middleware(registry: Any) -> str | None:
    """Return the OpenCensus tween that the application uses, None for none."""
    from pyramid.interfaces import ITweens

    tweens = registry.queryUtility(ITweens)
    if tweens is None:
        return None
    for name, factory in [*tweens.implicit(), *tweens.explicit]:
        if name == _TWEEN or getattr(factory, "__module__", "").startswith("opencensus.ext.pyramid"):
            return str(name)
    return None


_recorders = Recorders(_build)
