"""The web frameworks. A framework is one file and its lines of TARGETS; nothing else lists them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Leaf module to watch for → the function that patches it once it is imported.
TARGETS = (
    ("flask.app", "autotrace.frameworks.flask:patch"),
    ("django.core.handlers.base", "autotrace.frameworks.django:patch_base"),
    ("django.core.handlers.wsgi", "autotrace.frameworks.django:patch_wsgi"),
    ("django.core.handlers.asgi", "autotrace.frameworks.django:patch_asgi"),
    ("pyramid.router", "autotrace.frameworks.pyramid:patch"),
)


def register() -> None:
    """Register the import hooks of the frameworks that AUTOTRACE_FRAMEWORKS names."""
    # Imported here: a process that never imports a framework must not pay for either.
    import wrapt

    from .. import guard, servers, signals
    from ..applications import process_settings

    settings = process_settings()
    guard.set_level(settings.log_level)
    if not settings.enabled:
        return
    if settings.flush_on_sigterm:
        signals.arm()
    wanted = [target for target in TARGETS if target[1].partition(":")[0].rpartition(".")[2] in settings.frameworks]
    for module, hook in (*wanted, *servers.TARGETS):
        wrapt.register_post_import_hook(_guarded(hook), module)


def _guarded(hook: str) -> Callable[[Any], None]:
    """Return the hook as a function that never raises: what it raised would be an ImportError of the framework."""

    def patch(module: Any) -> None:
        import importlib

        from .. import guard

        where, _, function = hook.partition(":")
        try:
            getattr(importlib.import_module(where), function)(module)
        except Exception as error:
            guard.failed(f"patching {module.__name__}", error)

    return patch
