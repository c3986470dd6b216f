"""Which redirects are followed: to hosts of the service. Telemetry and tokens are sent nowhere else."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from .proxies import is_loopback

PATH = "/v2.1/track"
# Hosts of the service end in one of these.
_SERVICE_SUFFIXES = (
    ".visualstudio.com",
    ".applicationinsights.azure.com",
    ".applicationinsights.azure.us",
    ".applicationinsights.azure.cn",
    ".monitor.azure.com",
    ".monitor.azure.us",
    ".monitor.azure.cn",
)


def follow(location: str, current: str, configured: str) -> str | None:
    """Return the endpoint that a redirect of the endpoint `current` names, None when it is not to be followed.

    It is followed to hosts of the service over https, to the host of the endpoint that the user configured, and on
    this machine from one port to another.
    """
    if not re.fullmatch("[!-~]+", location):
        return None
    try:
        parts = urlsplit(urljoin(current + PATH, location))
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    known = (parts.scheme, parts.netloc.lower()) == tuple(urlsplit(configured)[:2])
    service = parts.scheme == "https" and host.endswith(_SERVICE_SUFFIXES)
    here = parts.scheme in ("http", "https") and is_loopback(host) and is_loopback(urlsplit(current).hostname or "")
    if not (known or service or here):
        return None
    path = parts.path[: -len(PATH)] if parts.path.endswith(PATH) else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def host_of(location: str) -> str:
    """Return the host that a redirect names, for a message."""
    try:
        return urlsplit(location).hostname or "nowhere"
    except ValueError:
        return "nowhere"
