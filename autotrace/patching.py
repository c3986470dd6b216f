"""Replaces methods of classes, never the classes: subclasses, and objects made before or after, are all covered."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Callable

import wrapt


def wrap_method(module: Any, path: str, make: Callable[..., Any], *arguments: Any) -> None:
    """Put `make(original, *arguments)` in the place of the method `path` ("Class.method") of `module`.

    A plain function, where wrapt's own proxy costs three times as much in each call. Raises AttributeError when the
    class does not define such a method itself.
    """
    owner, name, original = wrapt.resolve_path(module, path)
    if name not in vars(owner):
        # An inherited method would be frozen here: whoever patches the base class later would be ignored.
        raise AttributeError(f"{path} is inherited")
    wrapt.apply_patch(owner, name, make(original, *arguments))


def wrap_where_defined(owner: type, name: str, make: Callable[..., Any], *arguments: Any) -> None:
    """Do the same with the method that `owner` has, in the class that defines it."""
    base = next(base for base in owner.__mro__ if name in vars(base))
    wrapt.apply_patch(base, name, make(vars(base)[name], *arguments))


def replace_everywhere(original: Any, replacement: Any) -> None:
    """Put a function in the place of `original` in all modules that have it: who imports a name has a copy of it."""
    for module in list(sys.modules.values()):
        # Without asking the module, which may load itself when it is asked for something, or be none in truth.
        if issubclass(type(module), ModuleType):
            names = object.__getattribute__(module, "__dict__") or {}
            for name, value in names.copy().items():
                if value is original:
                    names[name] = replacement
