"""Functions in C that are called through ours, and warn as if the application had called them itself.

Code in C warns by the file, the line and the module of the Python function that called it, and filters go by these.
So the last one in front of it is none of ours but one that has all three from the application's line.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import CodeType, FunctionType
from typing import Any

from .exceptions import hide_frame
from .urls import remember

_CODE: CodeType = (lambda original, args, kwargs: original(*args, **kwargs)).__code__
# For a thread that runs nothing else.
_nowhere = FunctionType(_CODE, globals())
# A place in the code of the application → that code, and the function that calls from there. Both keep alive what the
# key has only the numbers of.
_doors: dict[tuple[int, int, int], tuple[CodeType, Any]] = {}


def from_caller(original: Any) -> Any:
    """Return a function like `original`, for a method that the application calls, to be called in its place there."""

    @wraps(original)
    def through(*args: Any, **kwargs: Any) -> Any:
        try:
            # Behind this function there is the method, and behind that the application.
            frame = sys._getframe(2)
        except ValueError:
            door = _nowhere
        else:
            known = _doors.get((id(frame.f_code), frame.f_lasti, id(frame.f_globals)))
            door = _door(original.__name__, frame) if known is None else known[1]
        try:
            return door(original, args, kwargs)
        except BaseException as error:
            # This one, and the door.
            hide_frame(error)
            hide_frame(error)
            raise

    return through


def _door(name: str, frame: Any) -> Any:
    code, line = frame.f_code, frame.f_lineno
    ours = _CODE.replace(
        co_filename=code.co_filename, co_name=name, co_firstlineno=code.co_firstlineno if line is None else line
    )
    door = FunctionType(ours, frame.f_globals)
    remember(_doors, (id(code), frame.f_lasti, id(frame.f_globals)), (code, door))
    return door
