"""The viewer as a WSGI application: pages, static files and the ingestion endpoint, and what keeps strangers out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence
from urllib.parse import parse_qs

from .. import guard
from . import store
from .access import Access
from .ingestion import PATHS, RETRY_AFTER, Ingestion
from .pages import PAGES
from .place import StoreError
from .reader import reading
from .web import Page, PageError, Request, Response, render

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
# Seconds that a page may take.
PATIENCE = 8.0
_TEXT = "text/plain; charset=utf-8"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_STATIC = Path(__file__).with_name("static")
# Path → file and content type: nothing of a path leads to a file but by being in here.
STATIC = {
    f"/static/{entry.name}": (entry, _TYPES[entry.suffix])
    for entry in sorted(_STATIC.iterdir())
    if entry.suffix in _TYPES
}
STATIC["/favicon.ico"] = STATIC["/static/icon.svg"]
# Pages that have something behind their path.
_BELOW = [(start, name) for start, name in PAGES.items() if start.endswith("/") and start != "/"]
_MOST_PARAMETERS = 100
_header_names = re.compile(r"[A-Za-z0-9, -]{1,1000}").fullmatch
_header_value = re.compile(r"[\t -~]*").fullmatch
Start = Callable[[str, "list[tuple[str, str]]"], Any]


def page_of(path: str) -> Page | None:
    """Return the page that shows a path, imported on its first use; None where there is none."""
    name = PAGES.get(path) or next((name for start, name in _BELOW if path.startswith(start)), None)
    if name is None:
        return None
    page: Page = import_module(f"{__package__}.pages.{name}").page
    return page


class Viewer:
    """The application: shows the store that was chosen with `path`, and keeps in it what `ingestion` gets."""

    def __init__(
        self, path: str, ingestion: Ingestion, access: Access, page_of: Callable[[str], Page | None] = page_of
    ) -> None:
        self._chosen = path
        self._ingestion = ingestion
        self._access = access
        self._page_of = page_of

    def __call__(self, environ: Mapping[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer a request; never raises."""
        try:
            response = self._respond(environ)
            headers = _headers(response)
        except Exception as error:
            guard.failed("the viewer", error)
            response = _failure()
            headers = _headers(response)
        status = response.status
        phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Answer"
        start_response(f"{status} {phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def _respond(self, environ: Mapping[str, Any]) -> Response:
        method, host = environ["REQUEST_METHOD"], environ.get("HTTP_HOST", "")
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
        # Where everybody may come from, services call each other by names that only they know.
        if not self._access.host(host) and not (path in PATHS and self._access.is_open):
            return _plain(421, "This server does not answer to that name: use the address that autotrace view printed.")
        if path in PATHS:
            return self._receive(environ, method, path)
        if method not in ("GET", "HEAD"):
            known = path in STATIC or self._page_of(path) is not None
            return _plain(405, "Pages are only read.", ("Allow", "GET, HEAD")) if known else _plain(404, "Not found.")
        if self._access.stranger(environ):
            return _plain(403, "Pages of other servers must not load this.")
        if path in STATIC:
            file, kind = STATIC[path]
            return _tagged(Response(file.read_bytes(), 200, kind, [("Cache-Control", "max-age=60")]), environ)
        page = self._page_of(path)
        if page is not None:
            return _tagged(self._show(page, path, environ.get("QUERY_STRING", ""), host), environ)
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            return _error(404, "There is no such page.")
        return _plain(404, "Not found.")

    def _receive(self, environ: Mapping[str, Any], method: str, path: str) -> Response:
        origin = environ.get("HTTP_ORIGIN")
        headers: list[tuple[str, str]] = [("Vary", "Origin")]
        if origin is not None:
            if not self._access.origin(origin):
                return _plain(403, "Pages of other servers must not send telemetry here.")
            headers.append(("Access-Control-Allow-Origin", origin))
        if method == "OPTIONS":
            wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
            headers += [("Access-Control-Allow-Methods", "POST"), ("Access-Control-Max-Age", "600")]
            headers += [("Access-Control-Allow-Headers", wanted)] if _header_names(wanted) else []
            return Response(b"", 204, _TEXT, headers)
        if method != "POST":
            return _plain(405, "Telemetry is posted here.", ("Allow", "POST, OPTIONS"))
        encoding = environ.get("HTTP_CONTENT_ENCODING", "")
        status, answer = self._ingestion.receive(environ["wsgi.input"], encoding, keep=PATHS[path])
        if status == 503:
            headers.append(("Retry-After", str(RETRY_AFTER)))
        return Response(json.dumps(answer).encode(), status, "application/json; charset=utf-8", headers)

    def _show(self, page: Page, path: str, query: str, host: str) -> Response:
        """Return a page, or another one that says why it is not there."""
        try:
            parameters = parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return _error(400, "The address has too many parameters.")
        try:
            return self._read(page, path, parameters, f"http://{host}")
        except PageError as error:
            return _error(error.status, str(error))
        except StoreError as error:
            return _error(503, f"The store cannot be read: {error}.")
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return _error(503, f"This took too long, and was stopped after {PATIENCE:.0f} seconds.")
            if "locked" in str(error):
                return _error(503, "The store is busy: try again.")
            return _failure(page, error)
        except Exception as error:
            return _failure(page, error)

    def _read(self, page: Page, path: str, query: Mapping[str, Sequence[str]], origin: str) -> Response:
        """Return what a page makes of the store, which may have been deleted, replaced or damaged meanwhile."""
        file = store.usable(self._chosen, _say)
        if not os.path.exists(file) or not os.path.getsize(file):
            file = self._ingestion.prepare()
        try:
            with reading(file, PATIENCE) as connection:
                return page(Request(path, query, connection, origin))
        except sqlite3.DatabaseError as error:
            if store.is_damage(error):
                store.mark_damaged(file)
            elif not any(reason in str(error) for reason in ("unable to open", "no such table")):
                raise
        with reading(self._ingestion.prepare(), PATIENCE) as connection:
            return page(Request(path, query, connection, origin))


def _say(line: str) -> None:
    guard.warn(line, line)


def _plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    return Response(f"{text}\n".encode(), status, _TEXT, headers)


def _error(status: int, text: str) -> Response:
    return render("error.html", status, title=HTTPStatus(status).phrase, active="", text=text)


def _failure(page: Page | None = None, error: Exception | None = None) -> Response:
    text = "This page could not be made. What went wrong stands where autotrace view was started."
    try:
        if error is not None:
            guard.failed(getattr(page, "__module__", "a page"), error)
        return _error(500, text)
    except Exception:
        # It may be the templates that failed.
        return _plain(500, text)


def _tagged(response: Response, environ: Mapping[str, Any]) -> Response:
    """Return an answer with its ETag, or in place of what the client has already that it has not changed."""
    if response.status != 200:
        return response
    tag = f'"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    headers = [*response.headers, ("ETag", tag)]
    if environ.get("HTTP_IF_NONE_MATCH") == tag:
        return response._replace(status=304, body=b"", headers=headers)
    return response._replace(headers=headers)


def _headers(response: Response) -> list[tuple[str, str]]:
    """Return all headers of an answer; ValueError where one has a character that none may have."""
    headers = [*response.headers, *SAFETY]
    if not any(name == "Cache-Control" for name, _ in headers):
        headers.append(("Cache-Control", "no-store"))
    if response.status not in (204, 304):
        headers += [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
    for name, value in headers:
        if not _header_value(value):
            raise ValueError(f"the header {name} has a bad character")
    return headers
