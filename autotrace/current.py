"""The request that runs in this context: a Recording, a Passing, or None outside of requests."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

CURRENT: ContextVar[Any] = ContextVar("autotrace", default=None)
