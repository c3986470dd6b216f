"""What a request says of where it went and whom it came from: its URL without secrets, and the client's address."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping
from urllib.parse import quote, urlsplit

from .blacklist import text

__all__ = ["Urls", "address", "host_of", "is_plain", "path_of", "redact", "text", "without_values"]

URL_LIMIT = 2048
_REDACTED = "REDACTED"
# Whether a path can stand in a URL and in JSON as it is.
is_plain = re.compile(r"/[A-Za-z0-9/._~!$&'()*+,;=:@-]{0,1024}").fullmatch
_UNSAFE_QUERY = re.compile(r"[^A-Za-z0-9/._~!$&'()*+,;=:@?%\[\]-]")
_UNSAFE_HOST = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_VALUE = re.compile(r"=[^&]*")
_LONGEST_NAME = 15
_LONGEST_SITE = 520
_CACHE_SIZE = 1000
# What a proxy says of a request → what of the environ it replaces.
_FORWARDED = {
    "REMOTE_ADDR": "HTTP_X_FORWARDED_FOR",
    "wsgi.url_scheme": "HTTP_X_FORWARDED_PROTO",
    "HTTP_HOST": "HTTP_X_FORWARDED_HOST",
}


class Urls:
    """Reads a WSGI environ as the settings say.

    `query` is `redact`, `keep`, `drop` or the names whose values may be shown; `proxies` is how many proxies in front
    of the server are believed in their X-Forwarded headers.
    """

    def __init__(self, query: Any, proxies: int) -> None:
        self._shown = frozenset() if isinstance(query, str) else frozenset(query)
        self._query = query if isinstance(query, str) else "redact"
        self._proxies = proxies

    def believed(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an environ as the outermost proxy that is believed saw the request."""
        said = {}
        for name, header in _FORWARDED.items():
            value = self._forwarded(environ, header)
            if value:
                said[name] = value
        return {**environ, **said} if said else environ

    def target(self, environ: Mapping[str, Any], script: str, path: str) -> str:
        """Return the part of a URL behind the host, all ASCII that JSON leaves as it is, at most 2,048 characters.

        `script` and `path` are the SCRIPT_NAME and PATH_INFO of the request. Values of the query are hidden as the
        settings say.
        """
        whole = script + (path if not path or path[0] == "/" else _path_alone(path)) or "/"
        if is_plain(whole) is None:
            whole = quote(whole[:URL_LIMIT].encode("latin-1", "replace"), safe="/~!$&'()*+,;=:@")
        query = environ.get("QUERY_STRING")
        if query and self._query != "drop":
            whole += "?" + self._redacted(query[:URL_LIMIT])
        if len(whole) > URL_LIMIT - _LONGEST_SITE:
            whole = whole[: URL_LIMIT - len(self.site(environ))]
        return whole

    def site(self, environ: Mapping[str, Any]) -> str:
        """Return the part of a URL in front of the path, without user name, password and default port."""
        scheme = environ.get("wsgi.url_scheme", "http")
        given = environ.get("HTTP_HOST") or _server(environ)
        spoken = scheme.lower() if scheme.lower() in ("http", "https") else "http"
        safe = _UNSAFE_HOST.sub("", given.rpartition("@")[2][:512]).lower()
        default = ":443" if spoken == "https" else ":80"
        return f"{spoken}://{safe[: -len(default)] if safe.endswith(default) else safe}"

    def _forwarded(self, environ: Mapping[str, Any], variable: str) -> str:
        """Return the value that the outermost believed proxy added: each adds one at the end, a client any before."""
        values = [value.strip() for value in (environ.get(variable) or "").split(",") if value.strip()]
        return values[-min(self._proxies, len(values))] if values else ""

    def _redacted(self, query: str) -> str:
        if self._query == "redact":
            query = _hidden(query, self._shown)
        if _UNSAFE_QUERY.search(query):
            query = _UNSAFE_QUERY.sub(lambda match: quote(match[0].encode("latin-1", "replace"), safe=""), query)
        return query


def redact(url: str) -> str:
    """Return an absolute URL without user name, password, fragment and query values."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    hidden = _hidden(parts.query, frozenset())
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=hidden, fragment="").geturl()


def without_values(target: str) -> tuple[str, str]:
    """Return the path of a request's target, and the target without fragment and query values."""
    target = target.partition("#")[0]
    path, mark, query = target.partition("?")
    return path, f"{path}?{_hidden(query, frozenset())}" if mark else path


def host_of(url: str) -> str:
    """Return `host[:port]` of an absolute URL."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


def path_of(url: str) -> str:
    """Return the path of an absolute URL, `/` for none."""
    rest = url.partition("://")[2].partition("?")[0]
    return "/" + rest.partition("/")[2]


def _hidden(query: str, shown: frozenset[str]) -> str:
    """Return a query whose values are REDACTED, except those of the keys in `shown`."""
    if not shown and "==" not in query and "=&" not in query and query[-1:] != "=":
        hidden, count = _VALUE.subn("=" + _REDACTED, query)
        if count == query.count("&") + 1:
            return hidden
    return "&".join(_hidden_part(part, shown) for part in query.split("&"))


def _hidden_part(part: str, shown: frozenset[str]) -> str:
    key, equals, value = part.partition("=")
    if not equals or (len(key) > _LONGEST_NAME and not value.strip("=")):
        # `?token` without a name is a value, and a long one that `=` only fills up is base64.
        return _REDACTED if part else ""
    # For some a semicolon begins the next key.
    return part if key in shown and ";" not in value else f"{key}={_REDACTED}"


def _path_alone(path: str) -> str:
    """Return the path of a request whose target is a whole URL, as clients of proxies send it, or none at all."""
    rest = path.partition("://")[2]
    return "/" + (rest.partition("/")[2] if rest else path)


def _server(environ: Mapping[str, Any]) -> str:
    name, port = environ.get("SERVER_NAME") or "", environ.get("SERVER_PORT") or ""
    return (f"[{name}]" if ":" in name else name) + (f":{port}" if port else "")


def address(value: str) -> str:
    """Return an IPv4 or IPv6 address without its port, zone or brackets; empty for anything else."""
    value = value.strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        known = ipaddress.ip_address(value.partition("%")[0])
        # A server that listens on both families sees IPv4 clients as IPv6.
        return str(getattr(known, "ipv4_mapped", None) or known)
    except ValueError:
        return ""


def remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep a value in a cache of bounded size."""
    # Emptied, not evicted one by one: the keys that matter are back after one request each.
    if len(cache) >= _CACHE_SIZE:
        cache.clear()
    cache[key] = value
