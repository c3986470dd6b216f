"""All that a child loads before user code: wait for the first web framework, then make way for wrapt."""

from __future__ import annotations

import os
import sys

from autotrace.targets import FRAMEWORKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Sequence

WATCHED = frozenset(target[0] for target in FRAMEWORKS)


def arm() -> None:
    """Have the frameworks patched when they are imported, or now if they already are; never raises."""
    if os.environ.get("FUNCTIONS_WORKER_RUNTIME"):
        from autotrace import guard

        guard.warn("functions", "nothing is traced in Azure Functions, whose host owns the process")
    elif not WATCHED.isdisjoint(sys.modules):
        register()
    elif "autotrace.registration" not in sys.modules and not watchers():
        sys.meta_path.insert(0, Watcher())


def watchers() -> list[Any]:
    """Return the finders of ours that Python asks now."""
    return [finder for finder in sys.meta_path if isinstance(finder, Watcher)]


def register() -> None:
    """Register the import hooks of all frameworks and stop watching; never raises."""
    try:
        import autotrace.registration  # noqa: F401
    except Exception as error:
        report("the start of tracing", error)
    # A new list, not a shorter one: a thread in the middle of an import walks the old list by position, and
    # would miss a finder if the rest moved up.
    sys.meta_path = [finder for finder in sys.meta_path if not isinstance(finder, Watcher)]


def notify(module: ModuleType) -> None:
    """Run the hooks waiting for `module`, which has just been imported; never raises."""
    registration: Any = sys.modules.get("autotrace.registration")
    if registration is None:
        # It failed, and that is said already.
        return
    try:
        registration.notify_module_loaded(module)
    except Exception as error:
        report(f"patching {module.__name__}", error)


def report(what: str, error: Exception) -> None:
    """Say in one line that `what` failed with `error`."""
    from autotrace import guard

    guard.failed(what, error)


class Watcher:
    """A finder that lets the finders behind it find a framework, and puts a trigger around the loader.

    Python calls finders while it holds the lock of all imports, so nothing is imported from here: another
    thread, in the middle of importing the same, would wait for that lock for ever. Loaders run without it.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have for a watched `name`; None for any other name."""
        if name not in WATCHED:
            return None
        for finder in finders_behind(self):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                if spec.loader is not None:
                    wrap: Any = Trigger if hasattr(spec.loader, "exec_module") else OldTrigger
                    spec.loader = wrap(spec.loader)
                return spec
        return None


def finders_behind(watcher: Watcher) -> list[Any]:
    """Return the finders that Python would ask after `watcher`; all of them when it has just been removed."""
    finders = list(sys.meta_path)
    return finders[finders.index(watcher) + 1 :] if watcher in finders else finders


class Wrapped:
    """A loader that passes everything on to the one it wraps, and is gone once the module is loaded."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def restore(self, module: ModuleType) -> None:
        """Leave `module` with its own loader in every place that shows one."""
        for owner, attribute in ((module, "__loader__"), (module.__spec__, "loader")):
            if getattr(owner, attribute, None) is self:
                setattr(owner, attribute, self.loader)


class Trigger(Wrapped):
    """Registers before the module exists, so that no hook sees it half done, and patches it at the end."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        register()
        created: ModuleType | None = self.loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module as its own loader does; what it raises is passed on."""
        self.restore(module)
        self.loader.exec_module(module)
        notify(module)


class OldTrigger(Wrapped):
    """The same for a loader of the old kind, such as that of zip files before Python 3.10."""

    def load_module(self, name: str) -> ModuleType:
        """Load the module as its own loader does; what it raises is passed on."""
        register()
        module: ModuleType = self.loader.load_module(name)
        self.restore(module)
        notify(module)
        return module
