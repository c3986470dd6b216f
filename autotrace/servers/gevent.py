"""gevent: it looks up host names in threads, and Python 3.12 starts none at the end of a process."""

from __future__ import annotations

from typing import Any

from .. import processes


def patch(module: Any) -> None:
    """Have the last post of a process look up its host without a thread; `module` is `gevent.monkey`."""
    processes.before_the_end(lambda: look_up_here(module))


def look_up_here(monkey: Any) -> None:
    """Give this thread's hub the resolver that needs no thread: at the end nobody waits for the hub any more."""
    if monkey.is_module_patched("socket"):
        import gevent
        from gevent.resolver.blocking import Resolver

        gevent.get_hub().resolver = Resolver()
