"""What pages and server agree on: a request, an answer, and the templates that become its HTML."""

from __future__ import annotations

import functools
import sqlite3
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from . import texts

HTML = "text/html; charset=utf-8"
TEMPLATES = Path(__file__).with_name("templates")


class Request(NamedTuple):
    """A GET of a page: its decoded path and query, and a connection to the store that can only read.

    `origin` is where this server is, for who sends telemetry to it: `http://host:port`.
    """

    path: str
    query: Mapping[str, Sequence[str]]
    store: sqlite3.Connection
    origin: str = "http://127.0.0.1:PORT"

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter, without spaces around it."""
        return self.query[name][0].strip() if name in self.query else default


class Response(NamedTuple):
    """An answer; the server adds the headers that all answers have."""

    body: bytes
    status: int = 200
    content_type: str = HTML
    headers: Sequence[tuple[str, str]] = ()


Page = Callable[[Request], Response]


class PageError(Exception):
    """A page cannot be shown; `status` is that of the answer, the text says why, for a user."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@functools.lru_cache(maxsize=None)
def _templates() -> Any:
    # Jinja takes longer to import than all of this package: only who shows a page pays for it.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(TEMPLATES)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(texts.FILTERS)
    return environment


def render(template: str, status: int = 200, **values: Any) -> Response:
    """Return a template as an answer; every value is escaped."""
    return Response(_templates().get_template(template).render(values).encode("utf-8", "replace"), status)
