"""Which proxy stands between this process and the endpoint: what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY say."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from . import imports
from .blocked import BlockedError

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"


class Proxy(NamedTuple):
    """A proxy: `authorization` is the value of the header Proxy-Authorization, empty without a user name."""

    host: str
    port: int
    variable: str
    authorization: str

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} ({self.variable})"

    def __repr__(self) -> str:
        return str(self)


def find_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy for connections to a host, None where there is none to use.

    Raises BlockedError for one that cannot be used: whoever sets a proxy does not want it to be passed by.
    """
    if is_loopback(host) or _is_link_local(host) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    with imports.whole():
        from urllib import request

    # As everywhere in Python: lower case wins, and HTTP_PROXY does not count in a CGI script, whose clients may set it.
    found = request.getproxies_environment()
    url = found.get(scheme) or found.get("all")
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not url or request.proxy_bypass_environment(place, found):  # type: ignore[attr-defined]
        return None
    return _parse(url, _variable(scheme if found.get(scheme) else "all"))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name or address: no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_link_local(host: str) -> bool:
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False


def _variable(kind: str) -> str:
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), names[1])


def _parse(url: str, variable: str) -> Proxy:
    """Read a proxy's URL; the text of errors repeats nothing of it but the scheme: the rest may be a password."""
    url = url.strip()
    if "://" not in url:
        url = "http://" + url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not re.fullmatch(_HOST, host) or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise BlockedError("proxy", f"{variable} is not written http://host:port or http://user:password@host:port")
    if parts.scheme != "http":
        raise BlockedError("proxy", f"{variable} names a proxy of the kind {parts.scheme}://; only http:// can be used")
    authorization = ""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + b64encode(user.encode("utf-8", "surrogateescape")).decode()
    return Proxy(host, port or 80, variable, authorization)
