"""What the sample applications answer with: bodies, files and errors that all three frameworks share."""

from __future__ import annotations

import asyncio
import os
import pathlib
import time
from typing import AsyncIterator, Iterator

STATIC = str(pathlib.Path(__file__).parent / "static")
FILE = os.environ.get("APP_FILE") or str(pathlib.Path(STATIC) / "hello.txt")


class HandledError(Exception):
    """An error that each application turns into a page of its own."""


class Odd(BaseException):
    """What `except Exception` does not catch."""


def stream(count: int, pause: float) -> Iterator[bytes]:
    """Yield `count` lines, `pause` seconds before each."""
    for number in range(count):
        time.sleep(pause)
        yield b"line %d\n" % number


def gated_stream() -> Iterator[bytes]:
    """Yield a line, and another one once the file that APP_GATE names is there: after at most ten seconds."""
    yield b"before the gate\n"
    gate, end = os.environ.get("APP_GATE", os.devnull), time.monotonic() + 10
    while not os.path.exists(gate):
        if time.monotonic() > end:
            yield b"the gate stayed shut\n"
            return
        time.sleep(0.02)
    yield b"behind the gate\n"


def broken_stream() -> Iterator[bytes]:
    """Yield two lines, then raise RuntimeError."""
    yield b"line 0\n"
    yield b"line 1\n"
    raise RuntimeError("the stream broke")


async def async_stream(count: int, pause: float) -> AsyncIterator[bytes]:
    """Yield what `stream` yields, without holding up the event loop."""
    for number in range(count):
        await asyncio.sleep(pause)
        yield b"line %d\n" % number


async def async_gated_stream() -> AsyncIterator[bytes]:
    """Yield what `gated_stream` yields; it holds up the event loop, as its only user does not mind."""
    for chunk in gated_stream():
        await asyncio.sleep(0.01)
        yield chunk


async def async_broken_stream() -> AsyncIterator[bytes]:
    """Yield and raise what `broken_stream` does."""
    for chunk in (b"line 0\n", b"line 1\n"):
        yield chunk
    raise RuntimeError("the stream broke")


def child_span() -> bytes:
    """Open a span below the request's, as an application that knows OpenCensus does."""
    from opencensus.trace import execution_context

    with execution_context.get_opencensus_tracer().span(name="x"):
        return b"span"


def attribute() -> bytes:
    """Put an attribute on the current span, as an application that knows OpenCensus does."""
    from opencensus.trace import execution_context

    execution_context.get_opencensus_tracer().add_attribute_to_current_span("basket", "3 apples")
    return b"attribute"
