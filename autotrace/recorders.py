"""The recorders of a framework's applications: one each, made with the first request."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Callable, Dict

if TYPE_CHECKING:
    from .recorder import Environ, Recorder


class Off:
    """In the place of a recorder, for an application whose requests are not recorded."""

    @staticmethod
    def start(environ: Environ) -> None:
        """Record nothing."""


class Recorders(Dict[int, Any]):
    """The recorders of a framework's applications by `id`, which go when the application goes.

    Every request looks here: a WeakKeyDictionary would hash and compare the application, by whatever methods it has,
    and cost three times as much. `make` makes the recorder of an application that is seen for the first time.
    """

    def __init__(self, make: Callable[[Any], Recorder | None]) -> None:
        super().__init__()
        self._make = make
        self._watched: dict[int, Any] = {}

    def build(self, application: Any) -> Any:
        """Return the recorder of an application, made when it is first seen; of several threads' one counts."""
        key = id(application)
        self._watched[key] = weakref.ref(application, lambda _: (self.pop(key, None), self._watched.pop(key, None)))
        return self.setdefault(key, self._make(application) or Off())
