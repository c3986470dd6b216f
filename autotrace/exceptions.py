"""Exceptions that made a request fail: what is kept of one while it is handled, and how it is told.

An exception refers to all variables of all functions it passed through. Nothing here holds on to one: its traceback is
read at once, as code and line numbers, and turned into text only when the request has failed.
"""

from __future__ import annotations

import builtins
from time import time_ns
from types import CodeType
from typing import Any, Iterator, NamedTuple

from .limits import MESSAGE_LIMIT, NAME_LIMIT, clean

# Exceptions of a chain that are told: the one that was raised, and those that led to it.
CHAIN_LIMIT = 10
# Frames of one exception, half of them where it was raised and half of them at the other end of the stack.
FRAMES_LIMIT = 100
# Bytes of all messages and frames together: an item has room for 65,536.
_ROOM = 48_000
_LONGEST_LINE = 999_999
# A recursion without end is a thousand frames deep, and more where the application allows it.
_DEEPEST = 20_000
# Python 3.11 and later have groups.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())
# Not by attribute: an exception may be a frozen dataclass, or have attributes of its own making.
_TRACEBACK: Any = vars(BaseException)["__traceback__"]
# Whose functions stand between the server and the application: nobody looks for them in a stack.
_OURS = ("autotrace.wsgi", "autotrace.asgi", "autotrace.frameworks.")


class Frame(NamedTuple):
    """A place in a stack: the code, the line in it, and the name of the module."""

    code: CodeType
    line: int
    module: str


class Raised(NamedTuple):
    """One exception: its type as text, its message, its frames, the throw site first, and how many were left out.

    `outer` is the place in the chain of the exception that it led to, None for the one that was raised last.
    """

    type: str
    message: str
    frames: tuple[Frame, ...]
    left_out: int
    outer: int | None


class Failure(NamedTuple):
    """An exception with those that led to it, `chain[0]` being the one itself, seen at `moment` (ns since 1970).

    `number` is its `id`, which another one may have later.
    """

    moment: int
    chain: tuple[Raised, ...]
    number: int


def read(error: BaseException) -> Failure:
    """Return what is told of an exception, with nothing in it that keeps the exception alive."""
    chain = tuple(
        Raised(_type(one), _message(one), *_frames(_TRACEBACK.__get__(one)), outer) for one, outer in _chained(error)
    )
    return Failure(time_ns(), chain, id(error))


def is_among(failure: Failure, others: tuple[Failure, ...]) -> bool:
    """Tell whether an exception is one of others, seen earlier or later on its way."""
    return any(failure.number == other.number and _is_like(failure.chain[0], other.chain[0]) for other in others)


def _is_like(one: Raised, other: Raised) -> bool:
    return (one.type, one.message, one.frames[:1]) == (other.type, other.message, other.frames[:1])


def hide_frame(error: BaseException) -> None:
    """Take the frame of the caller, which is about to raise `error` again, out of the traceback that others will see.

    Before Python 3.11 the interpreter puts it back.
    """
    traceback = _TRACEBACK.__get__(error)
    if traceback is not None:
        _TRACEBACK.__set__(error, traceback.tb_next)


def details(failure: Failure) -> dict[str, Any]:
    """Return an exception as the fields of an ExceptionData (version 2 of the service's schema)."""
    # Half of the room is for the exception itself, the other half for all that led to it.
    first, *others = failure.chain
    room = _ROOM // 2
    exceptions = [
        _detail(0, first, room if others else _ROOM),
        *(_detail(place, raised, room // len(others)) for place, raised in enumerate(others, 1)),
    ]
    return {
        "ver": 2,
        "exceptions": exceptions,
        "severityLevel": "Error",
        "problemId": clean(problem(failure), NAME_LIMIT),
    }


def problem(failure: Failure) -> str:
    """Return what is alike in all exceptions of one cause: the type, and the function that raised it."""
    first = failure.chain[0]
    return f"{first.type} at {_method(first.frames[0])}" if first.frames else first.type


def _chained(error: BaseException) -> Iterator[tuple[BaseException, int | None]]:
    """Yield an exception and those that led to it, as Python prints them, each with the place of what it led to."""
    waiting: list[tuple[BaseException, int | None]] = [(error, None)]
    seen: set[int] = set()
    while waiting and len(seen) < CHAIN_LIMIT:
        one, outer = waiting.pop(0)
        if id(one) in seen:
            continue
        place = len(seen)
        seen.add(id(one))
        yield one, outer
        # Not by its truth: an exception may have a length.
        cause = one.__cause__ if one.__cause__ is not None or one.__suppress_context__ else one.__context__
        if cause is not None:
            waiting.append((cause, place))
        if isinstance(one, _GROUP):
            waiting += [(member, place) for member in one.exceptions[:CHAIN_LIMIT]]


def _type(error: BaseException) -> str:
    kind = type(error)
    name = str(kind.__qualname__)
    return name if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{name}"


def _message(error: BaseException) -> str:
    try:
        # Of a kind of text that the application made, the text alone; and no more of it than is told.
        text = str.__getitem__(str(error), slice(MESSAGE_LIMIT))
    except Exception as problem:
        text = f"<its text cannot be had: {type(problem).__name__}>"
    # The service refuses an empty one.
    return text if text.strip() else type(error).__name__ or "exception"


def _frames(traceback: Any) -> tuple[tuple[Frame, ...], int]:
    frames: list[Frame] = []
    while traceback is not None and len(frames) < _DEEPEST:
        frame = traceback.tb_frame
        module = str(frame.f_globals.get("__name__") or "")
        if not module.startswith(_OURS):
            frames.append(Frame(frame.f_code, traceback.tb_lineno or 0, module))
        traceback = traceback.tb_next
    frames.reverse()
    left_out = max(len(frames) - FRAMES_LIMIT, 0)
    if left_out:
        half = FRAMES_LIMIT // 2
        frames[half:-half] = []
    return tuple(frames), left_out


def _detail(place: int, raised: Raised, room: int) -> dict[str, Any]:
    kind = clean(raised.type, NAME_LIMIT)
    message = clean(raised.message, MESSAGE_LIMIT)
    while _size(message) > room // 2:
        message = message[: len(message) // 2]
    room -= _size(message) + _size(kind)
    count = len(raised.frames)
    stack: dict[int, dict[str, Any]] = {}
    # From both ends, so that what has no room is in the middle.
    for index in [index for pair in zip(range(count), reversed(range(count))) for index in pair][:count]:
        level = index if index < (count + 1) // 2 else index + raised.left_out
        frame = _frame(raised.frames[index], level)
        room -= sum(_size(str(value)) + 16 for value in frame.values())
        if room < 0:
            break
        stack[index] = frame
    detail: dict[str, Any] = {
        "id": place + 1,
        "typeName": kind,
        "message": message,
        "hasFullStack": len(stack) == count and not raised.left_out,
        "parsedStack": [stack[index] for index in sorted(stack)],
    }
    if raised.outer is not None:
        detail["outerId"] = raised.outer + 1
    return detail


def _frame(frame: Frame, level: int) -> dict[str, Any]:
    return {
        "level": level,
        "method": clean(_method(frame), NAME_LIMIT),
        "assembly": clean(frame.module.partition(".")[0], NAME_LIMIT),
        "fileName": clean(frame.code.co_filename, NAME_LIMIT),
        "line": min(frame.line, _LONGEST_LINE),
    }


def _method(frame: Frame) -> str:
    # The qualified name of a function is in its code from Python 3.11 on.
    name = getattr(frame.code, "co_qualname", frame.code.co_name)
    return f"{frame.module}.{name}" if frame.module else str(name)


def _size(text: str) -> int:
    """Return the bytes that a text takes at most in JSON."""
    if text.isascii() and text.isprintable():
        return len(text) + text.count('"') + text.count("\\")
    return 6 * len(text)
