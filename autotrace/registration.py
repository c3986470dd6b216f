"""Importing this module registers the import hooks of all frameworks, once, whichever thread comes first."""

from __future__ import annotations

from wrapt import notify_module_loaded

from autotrace import frameworks

__all__ = ["notify_module_loaded"]

# A module body runs under its import lock: a second thread waits until the hooks are there, and unlike a lock
# of our own this one notices when two threads wait for each other.
frameworks.register()
