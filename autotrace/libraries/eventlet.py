"""eventlet: a green thread that a request spawns belongs to the request."""

from __future__ import annotations

from functools import wraps
from typing import Any

from ..exceptions import hide_frame
from ..patching import wrap_method
from . import greenlets


def patch(module: Any) -> None:
    """Wrap how `eventlet.greenthread` makes a thread, with a result and without; pools call it too."""
    wrap_method(module, "GreenThread.__init__", _made)
    wrap_method(module, "_spawn_n", _spawned)


def _made(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - Python's name
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        greenlets.take_along(self)

    return __init__


def _spawned(original: Any) -> Any:
    @wraps(original)
    def _spawn_n(*args: Any, **kwargs: Any) -> Any:
        try:
            spawned = original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        # Behind its timer; it begins when this one waits.
        greenlets.take_along(spawned[1])
        return spawned

    return _spawn_n
