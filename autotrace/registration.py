"""Importing this module registers the import hooks of all that is patched, once, whichever thread comes first."""

from __future__ import annotations

import importlib
from typing import Any, Callable

import wrapt
from wrapt import notify_module_loaded

from autotrace import guard, signals
from autotrace.applications import process_settings
from autotrace.targets import FRAMEWORKS, LIBRARIES, SERVERS, name_of

__all__ = ["notify_module_loaded"]


def _register() -> None:
    """Register the hooks that the settings want."""
    settings = process_settings()
    guard.set_level(settings.log_level)
    if not settings.enabled:
        return
    if settings.flush_on_sigterm:
        signals.arm()
    wanted = [target for target in FRAMEWORKS if name_of(target[1]) in settings.frameworks]
    if wanted:
        wanted += [target for target in LIBRARIES if name_of(target[1]) in settings.libraries]
    for module, hook in (*wanted, *SERVERS):
        wrapt.register_post_import_hook(_guarded(hook), module)


def _guarded(hook: str) -> Callable[[Any], None]:
    """Return the hook as a function that never raises: what it raised would be an ImportError of its module."""

    def patch(module: Any) -> None:
        where, _, function = hook.partition(":")
        try:
            getattr(importlib.import_module(where), function)(module)
        except Exception as error:
            guard.failed(f"patching {module.__name__}", error)

    return patch


# A module body runs under its import lock: a second thread waits until the hooks are there, and unlike a lock
# of our own this one notices when two threads wait for each other.
_register()
