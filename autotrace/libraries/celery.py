"""celery: a task that is published is one call, and what the broker's client does for it is a part of that."""

from __future__ import annotations

import re
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import urlsplit

from .. import calls
from ..exceptions import hide_frame
from ..patching import wrap_method

_DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671, "pyamqp": 5672, "redis": 6379, "rediss": 6379}
_HOST = re.compile(r"[\w.:-]+").fullmatch


def patch(module: Any) -> None:
    """Wrap `Celery.send_task`; a task that runs at once, as with `task_always_eager`, is not sent and no call."""
    wrap_method(module, "Celery.send_task", calls.traced, _describe)


def patch_signals(module: Any) -> None:
    """Wrap `Signal.send` of `celery.utils.dispatch.signal`, with which a publishing calls the application."""
    wrap_method(module, "Signal.send", _beside)


def _beside(original: Any) -> Any:
    # What the application calls there is its own: no part of what a message is published with.
    @wraps(original)
    def send(*args: Any, **kwargs: Any) -> Any:
        outer = calls.CALL.get()
        if outer is not None and outer.kind == calls.QUEUE:
            calls.CALL.set(None)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            calls.CALL.set(outer)

    return send


def _describe(app: Any, name: Any, *args: Any, **options: Any) -> Any:
    host, port, default = _place(_broker_of(app))
    call = calls.begin(calls.QUEUE, host, port)
    if call is not None:
        server = calls.target_of(host, port, default) if host else ""
        call.name = str(name)
        call.data = _queue_of(app, options)
        call.target = " | ".join(part for part in (server, call.data) if part)
    return call


def _broker_of(app: Any) -> str:
    urls = app.conf.broker_write_url or app.conf.broker_url
    # The first of several is the one that is tried first.
    first = urls if isinstance(urls, str) else next(iter(urls or ()), None)
    return str(first or "amqp://").partition(";")[0]


@lru_cache(maxsize=50)
def _place(url: str) -> tuple[str, int | None, int | None]:
    """Return the host of a broker's URL, its port, and the usual one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None, None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if not host and default:
        host = "localhost"
    return (host, port or default, default) if _HOST(host) else ("", None, None)


def _queue_of(app: Any, options: Any) -> str:
    """Return where a task goes, empty where only the application's routes know."""
    for key in ("queue", "exchange"):
        place = options.get(key)
        if place:
            return str(getattr(place, "name", place))
    if options.get("routing_key") or app.conf.task_routes:
        return ""
    return str(app.conf.task_default_queue)
