"""Which requests are not recorded: paths, sites, patterns and user agents."""

from __future__ import annotations

import re
from typing import Callable, Iterable, Mapping, NamedTuple
from urllib.parse import unquote, urlsplit


class Site(NamedTuple):
    """A site of the blacklist: `port` None stands for any, `path` None for the whole site."""

    host: str
    port: int | None
    path: Callable[[str], object] | None


class Blacklist(NamedTuple):
    """Compiled entries; build it with `compile_entries`. Any member may be empty.

    `prefixes` begin every path, as the server gives it, that is hidden where no mount point is; None where a path does
    not decide on its own.
    """

    path: Callable[[str], object] | None
    searches: tuple[Callable[[str], object], ...]
    root: bool
    sites: tuple[Site, ...]
    agent: Callable[[str], object] | None
    prefixes: tuple[str, ...] | None

    def hides(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the request of this WSGI environ is blacklisted.

        A path entry is compared with the path below the mount point and with the whole path; the entry `/`
        with the whole path only, so that a mounted application's front page stays visible.
        """
        path = text(environ.get("PATH_INFO") or "/")
        script = environ.get("SCRIPT_NAME", "")
        whole = text(script) + path if script else path
        if self.path is not None and (self.path(path) or (script and self.path(whole))):
            return True
        if self.root and whole == "/":
            return True
        for search in self.searches:
            if search(path) or (script and search(whole)):
                return True
        if self.agent is not None and self.agent(environ.get("HTTP_USER_AGENT", "")):
            return True
        return bool(self.sites) and self._hides_site(environ, path, whole)

    def _hides_site(self, environ: Mapping[str, str], path: str, whole: str) -> bool:
        """Tell whether the request was sent to one of the sites, or from a page of one.

        OpenCensus documents the first for Flask and Pyramid and the second for Django; its code does neither.
        The scheme is not compared: behind a proxy that ends TLS the application sees http.
        """
        sent_to = _host_port(environ.get("HTTP_HOST") or _server(environ))
        origin, referer = environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_REFERER", "")
        came_from = _origin(origin if origin not in ("", "null") else referer)
        for site in self.sites:
            if _is_site(site, sent_to) and (site.path is None or site.path(whole) or site.path(path)):
                return True
            if came_from and _is_site(site, came_from):
                if site.path is None:
                    return True
                # An Origin header names no path: the Referer of the same site tells it.
                if _origin(referer) == came_from and site.path(unquote(urlsplit(referer).path) or "/"):
                    return True
        return False


def compile_entries(entries: Iterable[str]) -> Blacklist | None:
    """Compile blacklist entries; None when there are none.

    Entries are path prefixes at a segment boundary (`/health`, `static/`), `/` for exactly the root, `*` patterns
    over the whole path, `re:` regular expressions searched in the path, sites (`https://example.com[:port][/path]`)
    and `agent:` names or patterns. Raises ValueError that names the entry when a regular expression is malformed.
    """
    paths: list[str] = []
    literal: list[str] = []
    searches: list[Callable[[str], object]] = []
    agents: list[str] = []
    sites: list[Site] = []
    root = False
    for entry in (entry.strip() for entry in entries):
        if not entry:
            continue
        if entry.startswith("re:"):
            searches.append(_search(entry))
        elif entry.startswith("agent:"):
            agents.append(_agent_pattern(entry[6:].strip()))
        elif entry.lower().startswith(("http://", "https://")):
            sites.append(_site(entry))
        elif not entry.strip("/"):
            root = True
        else:
            paths.append(_path_pattern(entry))
            literal.append("/" + unquote(entry).strip().strip("/"))
    if not (paths or searches or agents or sites or root):
        return None
    # Of other characters a server hands on bytes.
    is_plain = all(path.isascii() and "*" not in path for path in literal)
    prefixes = tuple(literal) if is_plain and not (searches or agents or sites or root) else None
    return Blacklist(_matcher(paths), tuple(searches), root, tuple(sites), _matcher(agents, re.IGNORECASE), prefixes)


def text(value: str) -> str:
    """Decode a WSGI string (PEP 3333: bytes in latin-1) as the UTF-8 text it stands for; bad bytes become U+FFFD."""
    if value.isascii():
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _matcher(patterns: list[str], flags: int = 0) -> Callable[[str], object] | None:
    return re.compile("|".join(patterns), flags | re.DOTALL).match if patterns else None


def _search(entry: str) -> Callable[[str], object]:
    try:
        return re.compile(entry[3:].strip()).search
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{entry!r} is not a regular expression: {error}") from None


def _path_pattern(entry: str) -> str:
    path = unquote(entry).strip()
    if "*" in path:
        start = "" if path.startswith(("*", "/")) else "/"
        return re.escape(start) + _glob(path.rstrip("/") or path) + r"/?\Z"
    return re.escape("/" + path.strip("/")) + r"(?:/|\Z)"


def _glob(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("*"))


def _agent_pattern(name: str) -> str:
    if "*" in name:
        return _glob(name) + r"\Z"
    # A bare name is a product token: `AlwaysOn` is also `AlwaysOn/1.0`, never `AlwaysOnline`.
    return re.escape(name) + r"(?:[/\s;]|\Z)"


def _site(entry: str) -> Site:
    try:
        parts = urlsplit(entry)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise ValueError(f"{entry!r} is not a site: {error}") from None
    if not host:
        raise ValueError(f"{entry!r} names no host")
    path = None if not parts.path.strip("/") else _matcher([_path_pattern(parts.path)])
    return Site(host, port, path)


def _is_site(site: Site, place: tuple[str, int | None]) -> bool:
    if site.host != place[0]:
        return False
    # No port in a Host header or Origin is the default port of a scheme that the application may not see.
    return site.port is None or site.port == place[1] or (place[1] is None and site.port in (80, 443))


def _server(environ: Mapping[str, str]) -> str:
    return f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"


def _host_port(value: str) -> tuple[str, int | None]:
    """Split `host[:port]` as a Host header spells it; port None when none is given, -1 when it is no number."""
    host, colon, port = value.rpartition(":")
    if not colon or "]" in port:
        host, port = value, ""
    if port:
        number: int | None = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    else:
        number = None
    return host.strip().strip("[]").lower(), number


def _origin(url: str) -> tuple[str, int | None] | None:
    """Return host and port of an absolute URL, None when it is none."""
    _, colon, rest = url.partition("://")
    if not colon:
        return None
    return _host_port(re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2])
