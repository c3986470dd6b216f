"""What a request says of where it went and whom it came from: its URL without secrets, and the client's address."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, Mapping, Optional, Tuple
from urllib.parse import quote, urlsplit

from .blacklist import text

__all__ = ["Urls", "host_of", "path_of", "redact", "text"]

URL_LIMIT = 2048
_REDACTED = "REDACTED"
_UNSAFE_PATH = re.compile(r"[^A-Za-z0-9/._~!$&'()*+,;=:@-]")
_UNSAFE_QUERY = re.compile(r"[^A-Za-z0-9/._~!$&'()*+,;=:@?%\[\]-]")
_UNSAFE_HOST = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_VALUE = re.compile(r"=[^&;]*")
_CACHE_SIZE = 1000


class Urls:
    """Reads a WSGI environ as the settings say.

    `query` is `redact`, `keep`, `drop` or the names whose values may be shown; `proxies` is how many proxies in front
    of the server are believed in their X-Forwarded headers.
    """

    def __init__(self, query: Any, proxies: int) -> None:
        self._shown = frozenset() if isinstance(query, str) else frozenset(query)
        self._query = query if isinstance(query, str) else "redact"
        self._proxies = proxies
        self._sites: Dict[Tuple[str, Optional[str]], str] = {}
        self._clients: Dict[str, str] = {}

    def read(self, environ: Mapping[str, Any], path: Tuple[str, str]) -> Tuple[str, str]:
        """Return the tag of the client's address and the URL of a request; `path` is its SCRIPT_NAME and PATH_INFO.

        The tag is JSON with a comma at its end, empty when no address is known. The URL has never user names, by
        default no query values, at most 2,048 characters, all of them ASCII that JSON leaves as it is.
        """
        address = environ.get("REMOTE_ADDR") or ""
        scheme, host = environ.get("wsgi.url_scheme", "http"), environ.get("HTTP_HOST")
        if self._proxies:
            address = self._forwarded(environ, "HTTP_X_FORWARDED_FOR") or address
            scheme = self._forwarded(environ, "HTTP_X_FORWARDED_PROTO") or scheme
            host = self._forwarded(environ, "HTTP_X_FORWARDED_HOST") or host
        tag = self._clients.get(address)
        if tag is None:
            tag = self._client(address)
        site = self._sites.get((scheme, host))
        if site is None:
            site = self._site(scheme, host, environ)
        whole = path[0] + path[1]
        if _UNSAFE_PATH.search(whole):
            whole = quote(whole[:URL_LIMIT].encode("latin-1", "replace"), safe="/~!$&'()*+,;=:@")
        query = environ.get("QUERY_STRING")
        if query and self._query != "drop":
            whole += "?" + self._redacted(query[:URL_LIMIT])
        return tag, (site + whole)[:URL_LIMIT]

    def _forwarded(self, environ: Mapping[str, Any], variable: str) -> str:
        """Return the value that the outermost believed proxy added: each adds one at the end, a client any before."""
        values = [value.strip() for value in (environ.get(variable) or "").split(",") if value.strip()]
        return values[-min(self._proxies, len(values))] if values else ""

    def _client(self, address: str) -> str:
        known = _address(address)
        tag = f'"ai.location.ip":"{known}",' if known else ""
        _remember(self._clients, address, tag)
        return tag

    def _site(self, scheme: str, host: Optional[str], environ: Mapping[str, Any]) -> str:
        given = host or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
        spoken = scheme.lower() if scheme.lower() in ("http", "https") else "http"
        safe = _UNSAFE_HOST.sub("", given[:512].rpartition("@")[2]).lower()
        default = ":443" if spoken == "https" else ":80"
        site = f"{spoken}://{safe[: -len(default)] if safe.endswith(default) else safe}"
        _remember(self._sites, (scheme, host), site)
        return site

    def _redacted(self, query: str) -> str:
        if self._query == "redact":
            if self._shown:
                query = "&".join(
                    part if part.partition("=")[0] in self._shown else _VALUE.sub("=" + _REDACTED, part)
                    for part in query.split("&")
                )
            elif "=" in query:
                query = _VALUE.sub("=" + _REDACTED, query)
            else:
                # `?token` without a name is a value.
                query = _REDACTED
        if _UNSAFE_QUERY.search(query):
            query = _UNSAFE_QUERY.sub(lambda match: quote(match[0].encode("latin-1", "replace"), safe=""), query)
        return query


def redact(url: str) -> str:
    """Return an absolute URL without user name, password, fragment and query values."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    query = _VALUE.sub("=" + _REDACTED, parts.query) if "=" in parts.query else _REDACTED * bool(parts.query)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def host_of(url: str) -> str:
    """Return `host[:port]` of an absolute URL."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


def path_of(url: str) -> str:
    """Return the path of an absolute URL, `/` for none."""
    rest = url.partition("://")[2].partition("?")[0]
    return "/" + rest.partition("/")[2]


def _address(value: str) -> str:
    """Return an IPv4 or IPv6 address without its port, zone or brackets; empty for anything else."""
    value = value.strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        return str(ipaddress.ip_address(value.partition("%")[0]))
    except ValueError:
        return ""


def _remember(cache: Dict[Any, str], key: Any, value: str) -> None:
    if len(cache) >= _CACHE_SIZE:
        cache.clear()
    cache[key] = value
