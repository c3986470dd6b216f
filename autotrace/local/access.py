"""Who may talk to the viewer: it is told by the names in the headers Host and Origin, which a page cannot choose.

A page of the web can point a name of its own at 127.0.0.1 and then ask as if it were this server's (DNS rebinding):
its name is still in Host. One that posts from where it is has its name in Origin.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Mapping

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE).fullmatch
_ORIGIN = re.compile(r"https?://(.+)", re.IGNORECASE).fullmatch


class Access:
    """What a server that is bound to `address`, a host name or an IP address, answers to."""

    def __init__(self, address: str) -> None:
        self._names = {*LOOPBACK, _bracketed(address.lower())}
        found = _ip(address)
        self._everywhere = found is not None and found.is_unspecified
        # Whether others than this machine can reach it.
        self.is_open = address.lower() != "localhost" and (found is None or not found.is_loopback)

    def host(self, header: str) -> bool:
        """Tell whether a Host header names this server; a bare address cannot be pointed elsewhere."""
        name = _name(header)
        return name in self._names or (self._everywhere and name is not None and _ip(name.strip("[]")) is not None)

    def origin(self, header: str) -> bool:
        """Tell whether an Origin header is of a page that this machine serves."""
        match = _ORIGIN(header)
        return match is not None and _name(match[1]) in self._names

    def stranger(self, environ: Mapping[str, str]) -> bool:
        """Tell whether a page from elsewhere wants to load this as a part of itself, as browsers tell.

        A frame would not show it, but the work for it would be done; a link may lead here.
        """
        site, mode, place = (environ.get(f"HTTP_SEC_FETCH_{name}") for name in ("SITE", "MODE", "DEST"))
        return site not in (None, "same-origin", "none") and (mode != "navigate" or place not in (None, "document"))


def _name(host: str) -> str | None:
    match = _HOST(host)
    return None if match is None else match[1].lower()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
