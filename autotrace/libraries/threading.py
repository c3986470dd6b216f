"""threading: a thread that a request starts belongs to the request."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any, Callable

from .. import guard
from ..current import CURRENT
from ..exceptions import hide_frame
from ..opencensus import Carried, carry
from ..patching import wrap_where_defined

# Threads that serve whoever comes, though a request may have started them: pools, those of connections that live on,
# ours, and exporters.
_EVERYBODYS = ("concurrent.futures.", "multiprocessing.", "aiosqlite.", "autotrace.", "opencensus.")


def patch(module: Any) -> None:
    """Wrap `threading.Thread.start`; subclasses call it, whatever they run."""
    # gevent's class inherits it.
    wrap_where_defined(module.Thread, "start", _start_inside)


def _start_inside(original: Any) -> Any:
    @wraps(original)
    def start(self: Any) -> Any:
        restore: Any = None
        current = CURRENT.get()
        try:
            # Not with one that cannot be started: it may be running.
            if current is not None and self.ident is None:
                carried = None if _is_everybodys(self) else carry()
                if carried is None:
                    # A thread that is a greenlet would be taken along all the same.
                    CURRENT.set(None)
                else:
                    restore = partial(_put_back, self, vars(self).get("run"))
                    self.run = partial(_run, self, carried, restore)
        except Exception as error:
            guard.failed("taking a request into a thread", error)
        try:
            return original(self)
        except BaseException as error:
            if restore is not None and self.ident is None:
                restore()
            hide_frame(error)
            raise
        finally:
            if current is not None:
                CURRENT.set(current)

    return start


def _put_back(thread: Any, own: Any) -> None:
    # As it was: our function and the thread refer to each other. `own` is what the application has put there.
    if own is None:
        del thread.run
    else:
        thread.run = own


def _run(thread: Any, carried: Carried, restore: Callable[[], None]) -> None:
    restore()
    carried.enter()
    try:
        thread.run()
    except BaseException as error:
        hide_frame(error)
        raise


def _is_everybodys(thread: Any) -> bool:
    target = getattr(thread, "_target", None)
    return any((getattr(owner, "__module__", None) or "").startswith(_EVERYBODYS) for owner in (type(thread), target))
