"""concurrent.futures: what a request submits to a pool belongs to the request, the threads of the pool do not."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

from .. import guard
from ..current import CURRENT
from ..exceptions import hide_frame
from ..opencensus import Carried, carry
from ..patching import wrap_method


def patch(module: Any) -> None:
    """Wrap `ThreadPoolExecutor.submit`, which `map` and the executors of event loops call too."""
    wrap_method(module, "ThreadPoolExecutor.submit", _submit_inside)


def _submit_inside(original: Any) -> Any:
    @wraps(original)
    def submit(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None and len(args) > 1:
            try:
                carried = carry()
                if carried is not None:
                    args = (args[0], partial(_run, carried, args[1]), *args[2:])
            except Exception as error:
                guard.failed("taking a request into a pool", error)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return submit


def _run(carried: Carried, function: Any, /, *args: Any, **kwargs: Any) -> Any:
    before = Carried()
    carried.enter()
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        # The thread serves another one next.
        before.enter()
