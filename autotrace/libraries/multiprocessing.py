"""multiprocessing: the processes of a pool belong to nobody, though a request may have forked them."""

from __future__ import annotations

from typing import Any

from ..opencensus import leave_all

# What the processes of pools run: those of multiprocessing, and those of concurrent.futures.
_POOLS = ("multiprocessing.pool", "concurrent.futures.process")


class _Watch:
    """What `register_after_fork` refers to, weakly."""


_watch = _Watch()


def patch(module: Any) -> None:
    """Register a callback with `multiprocessing.util`, which runs in each child that is forked."""
    module.register_after_fork(_watch, _leave)


def _leave(_: _Watch) -> None:
    from multiprocessing import current_process

    if getattr(getattr(current_process(), "_target", None), "__module__", None) in _POOLS:
        leave_all()
