"""Two ways to write to a file at an offset: keeping the interpreter's lock meanwhile, and letting go of it.

`os.pwrite` lets go. What it writes for a request takes a microsecond or two, but where other threads wait for the lock
each such moment wakes one of them, mostly in vain: in a server of four busy threads that was almost half of what a
request cost. A disk that does take its time is worth letting go: see `Segment.write`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Callable

# Takes a descriptor, bytes, their number and an offset; returns how many were written. OSError when the disk does not
# take them, or a number below 0.
Write = Callable[[int, bytes, int, int], int]


def letting_go(fd: int, data: bytes, size: int, offset: int) -> int:
    """Write with `os.pwrite`; OSError when the disk does not take it."""
    return os.pwrite(fd, data, offset)


def _keeping() -> Write:
    """Return the C library's own `pwrite`, called with the lock kept; `letting_go` where that cannot be had."""
    with suppress(Exception):
        # Not there in every Python; and where memory must not be executable its import fails with a MemoryError.
        import ctypes

        # Elsewhere an offset may be of another size than a long.
        if ctypes.sizeof(ctypes.c_long) == 8:
            function = ctypes.PyDLL(None).pwrite
            function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
            function.restype = ctypes.c_ssize_t
            return function
    return letting_go


keeping: Write = _keeping()
