"""Django: the WSGI and ASGI handlers' call, the resolved route, and whether the response is in memory."""

from __future__ import annotations

import re
import sys
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404

from .. import asgi, guard, wsgi
from ..applications import build_recorder
from ..current import CURRENT, is_current
from ..exceptions import hide_frame
from ..patching import wrap_method
from ..recorder import Recorder, leave
from ..recorders import Recorders

_recorder: dict[str, Recorder | None] = {}
_clean: dict[str, str] = {}


def patch_base(module: Any) -> None:
    """Wrap the methods of `django.core.handlers.base.BaseHandler` that resolve a request and answer it."""
    wrap_method(module, "BaseHandler.get_response", _note_response)
    wrap_method(module, "BaseHandler.get_response_async", _note_request)
    wrap_method(module, "BaseHandler.process_exception_by_middleware", _note_view_error)
    wrap_method(sys.modules["django.core.handlers.exception"], "response_for_exception", _note_error)
    responses = sys.modules["django.http.response"]
    responses.HttpResponseBase._autotrace_request = None
    wrap_method(responses, "HttpResponseBase.close", _close_inside)


def patch_wsgi(module: Any) -> None:
    """Wrap the call of `django.core.handlers.wsgi.WSGIHandler`."""
    wrap_method(module, "WSGIHandler.__call__", wsgi.traced, _recorders)


def patch_asgi(module: Any) -> None:
    """Wrap the call of `django.core.handlers.asgi.ASGIHandler`."""
    wrap_method(module, "ASGIHandler.__call__", asgi.traced, _recorders)


def _note_response(original: Any) -> Any:
    @wraps(original)
    def get_response(self: Any, request: Any) -> Any:
        current = CURRENT.get()
        if current is None:
            return original(self, request)
        if not current.live:
            response = original(self, request)
            _note_body(current, response)
            return response
        # Most often at first sight, without a call.
        if getattr(request, "environ", None) is not current.environ and not _is_called_with(current, request):
            return original(self, request)
        current.asked = request
        try:
            response = original(self, request)
            _note_body(current, response)
            return response
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            current.asked = None
            _note_route(current, request, request.environ)

    return get_response


def _note_body(current: Any, response: Any) -> None:
    """Note whether a response is in memory: then its request is over before it is closed. Never raises."""
    try:
        current.buffered = getattr(response, "streaming", True) is False
        if current.buffered:
            response._autotrace_request = current
    except Exception as error:
        guard.failed("reading a Django response", error)


def _close_inside(original: Any) -> Any:
    # What Django calls at the end, and what the application has it call, belongs to the request.
    @wraps(original)
    def close(self: Any) -> Any:
        recording = self._autotrace_request
        if recording is None or CURRENT.get() is not None:
            return original(self)
        self._autotrace_request = None
        CURRENT.set(recording)
        try:
            return original(self)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            leave(recording)

    return close


def _note_request(original: Any) -> Any:
    @wraps(original)
    async def get_response_async(self: Any, request: Any) -> Any:
        current = CURRENT.get()
        if current is None or not _is_served(current, request):
            return await original(self, request)
        current.asked = request
        try:
            return await original(self, request)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            current.asked = None
            _note_route(current, request, current.environ)

    return get_response_async


def _note_view_error(original: Any) -> Any:
    # Middleware may answer what a view raised: then Django asks for no other response.
    @wraps(original)
    def process_exception_by_middleware(self: Any, exception: Any, request: Any) -> Any:
        _note(exception, request)
        try:
            return original(self, exception, request)
        except BaseException as error:
            hide_frame(error)
            raise

    return process_exception_by_middleware


def _note_error(original: Any) -> Any:
    # What turns each exception that a view or middleware lets out into a response.
    @wraps(original)
    def response_for_exception(request: Any, exc: Any) -> Any:
        _note(exc, request)
        try:
            return original(request, exc)
        except BaseException as error:
            hide_frame(error)
            raise

    return response_for_exception


def _note(error: BaseException, request: Any) -> None:
    """Note an exception of the current request; never raises."""
    current = CURRENT.get()
    if current is not None and current.live and (_is_called_with(current, request) or _is_served(current, request)):
        current.note(error, _failure_of)


def _failure_of(error: BaseException) -> BaseException | None:
    """Return the exception itself, None for one that Django answers with 403 or 404, or 400.

    To read one of those is to have its text made: that of a missing page lists all patterns, that of a refusal may ask
    the database.
    """
    return None if isinstance(error, (Http404, PermissionDenied, SuspiciousOperation)) else error


def _is_called_with(current: Any, request: Any) -> bool:
    """Tell whether a WSGI request is the current one: that of a test client inside of it has an environ of its own."""
    environ = getattr(request, "environ", None)
    return environ is current.environ or (environ is not None and is_current(environ))


def _is_served(current: Any, request: Any) -> bool:
    """Tell whether an ASGI request is the current one."""
    scope = getattr(request, "scope", None)
    return scope is not None and current.environ.get("autotrace.scope") is scope


def _note_route(current: Any, request: Any, environ: Any) -> None:
    """Note the route that was found, if any; never raises."""
    try:
        match = request.resolver_match
        if match is not None:
            route: str = match.route
            current.route = _clean.get(route) or _remember(route)
            current.mount = environ.get("SCRIPT_NAME", "")
    except Exception as error:
        guard.failed("reading a Django request", error)


def _locate(current: Any) -> None:
    """Note the route of a request that is on its way, if it is known."""
    request = current.asked
    if request is not None:
        _note_route(current, request, getattr(request, "environ", current.environ))


def _remember(route: str) -> str:
    template = _clean[route] = "/" + template_of(route)
    return template


# What a route of `re_path` is made of: escapes, classes, anchors, repetition; a group is found by its parenthesis.
_PART = re.compile(
    r"\\(?P<escaped>.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|[\^$?*+]|\{\d*,?\d*\}|(?P<group>\()", re.DOTALL
)
_GROUP = re.compile(r"\((?:\?P<(?P<name>\w+)>|(?P<special>\?(?!P=))?)")


def template_of(route: str) -> str:
    """Return the route of a resolver match as a template; parts from `re_path` lose their regular expression.

    >>> template_of("users/<int:id>/"), template_of(r"^archive/(?P<year>[0-9]{4})/$")
    ('users/<int:id>/', 'archive/{year}/')
    """
    if not re.search(r"[\^$\\(\[]", route):
        return route
    text: list[str] = []
    position = 0
    while True:
        part = _PART.search(route, position)
        if part is None:
            return "".join([*text, route[position:]])
        text.append(route[position : part.start()])
        position = part.end()
        if part["group"]:
            group = _GROUP.match(route, part.start())
            text.append("" if group is None or group["special"] else "{%s}" % (group["name"] or ""))
            position = _closing(route, part.start())
        elif part["set"]:
            text.append("{}")
        elif part["escaped"] and part["escaped"] not in "AZzbB":
            text.append("{}" if part["escaped"] in "dDsSwW" else part["escaped"])


def _closing(route: str, start: int) -> int:
    """Return the offset behind the parenthesis that closes the one at `start`."""
    depth = 0
    for part in re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL).finditer(route, start):
        depth += (part[0] == "(") - (part[0] == ")")
        if depth == 0:
            return part.end()
    return len(route)


def _build(handler: Any) -> Recorder | None:
    try:
        return _recorder["django"]
    except KeyError:
        from django.conf import settings

        # The handler has loaded its middleware: the application has read its settings before we do.
        urls = getattr(settings, "ROOT_URLCONF", None)
        package = (urls if isinstance(urls, str) else getattr(urls, "__name__", "")).partition(".")[0]
        in_code = getattr(settings, "OPENCENSUS", None)
        recorder = build_recorder(package or "django", in_code, _has_middleware(settings))
        if recorder is not None:
            recorder.locate = _locate
        # Of two threads that come first together, both use what one has built.
        return _recorder.setdefault("django", recorder)


def _has_middleware(settings: Any) -> str | None:
    """Return the OpenCensus middleware that the application uses, None for none."""
    if "opencensus.ext.django.middleware" not in sys.modules:
        return None
    from django.utils.module_loading import import_string

    stock = sys.modules["opencensus.ext.django.middleware"].OpencensusMiddleware
    for path in settings.MIDDLEWARE or ():
        middleware = import_string(path)
        if isinstance(middleware, type) and issubclass(middleware, stock):
            return str(path)
    return None


_recorders = Recorders(_build)
