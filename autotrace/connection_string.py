"""Reads Application Insights connection and authentication strings the way people really hand them over."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_ENDPOINT = "https://dc.services.visualstudio.com"
MAX_LENGTH = 4096  # characters, Microsoft's documented limit

# Shells, YAML files and word processors leave these around a value; none can begin or end a real one.
_WRAPPING = " \t\r\n\v\f\0\"'`\ufeff\u00a0\u200b\u2018\u2019\u201c\u201d"
# Plain text, compiled at the first use: this module is loaded by every process, most patterns are not needed.
_VARIABLES = "APPLICATIONINSIGHTS_(?:CONNECTION|AUTHENTICATION)_STRING|APPINSIGHTS_INSTRUMENTATIONKEY"
_PREFIX = rf"(?i)(?:export\s+|set\s+)?(?:{_VARIABLES})\s*[=:]"
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_HOST = r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?|[0-9a-f:.]*:[0-9a-f:.]*"
_URL_TEXT = r"[!-~]+"


class ConnectionString(NamedTuple):
    """Where telemetry goes; its repr shows the endpoint and the first 8 characters of the key.

    `instrumentation_key` is a lower-case GUID, `endpoint` an http(s) URL without a slash at the end,
    `aad_audience` the URL that Entra tokens are asked for, None for the public cloud.
    """

    instrumentation_key: str
    endpoint: str
    aad_audience: str | None = None

    def __repr__(self) -> str:
        return f"<key {self.instrumentation_key[:8]}..., endpoint {self.endpoint}>"


class Authentication(NamedTuple):
    """How the endpoint is told who sends: with Microsoft Entra tokens of a managed identity.

    `client_id` is the lower-case GUID of a user-assigned identity, None for the system-assigned one.
    """

    client_id: str | None = None

    def __repr__(self) -> str:
        return "Authorization=AAD" + (f";ClientId={self.client_id[:8]}..." if self.client_id else "")


def parse(text: str) -> ConnectionString:
    """Parse a connection string, or an instrumentation key alone, which means the global endpoint.

    Keys are matched in any case, unknown ones and empty parts are ignored. Of a key given twice the last one
    that is not empty counts, as in Microsoft's Python and Node libraries (.NET refuses such a string).
    Raises ValueError with one line that names the defect and never repeats any part of `text`.
    """
    text = _unwrap(text)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    if re.fullmatch(_GUID, text.lower()):
        return ConnectionString(text.lower(), DEFAULT_ENDPOINT)
    pairs = _pairs(text)
    if pairs.get("authorization", "ikey").lower() != "ikey":
        raise ValueError("its Authorization is not ikey, the only kind there is")
    return ConnectionString(_key(pairs), _endpoint(pairs), _audience(pairs))


def parse_authentication(text: str) -> Authentication:
    """Parse an authentication string, `Authorization=AAD` or `Authorization=AAD;ClientId=...`, in any order and case.

    Raises ValueError with one line that names the defect and never repeats any part of `text`.
    """
    text = _unwrap(text)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    pairs = _pairs(text)
    if pairs.get("authorization", "").lower() != "aad":
        raise ValueError("its Authorization is not AAD, the only kind there is")
    client_id = pairs.get("clientid", "").lower()
    if client_id and not re.fullmatch(_GUID, client_id):
        raise ValueError("its ClientId is not a GUID of 8-4-4-4-12 hexadecimal digits")
    return Authentication(client_id or None)


def _unwrap(text: str) -> str:
    # Bytes that the interpreter could not decode in its locale are UTF-8, for example a byte order mark.
    with suppress(UnicodeEncodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = text.strip(_WRAPPING)
    pasted = re.match(_PREFIX, text)
    return text[pasted.end() :].strip(_WRAPPING) if pasted else text


def _pairs(text: str) -> dict[str, str]:
    """Split into lower-case keys and values; line breaks separate parts as semicolons do."""
    pairs: dict[str, str] = {}
    parts = [part.strip(_WRAPPING) for part in re.split(r"[;\r\n]", text)]
    for number, part in enumerate(filter(None, parts), 1):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"part {number} of it is not written Key=Value")
        value = value.strip(_WRAPPING)
        if value:
            pairs[key.strip(_WRAPPING).lower()] = value
    return pairs


def _key(pairs: dict[str, str]) -> str:
    key = pairs.get("instrumentationkey", "").lower()
    if not key:
        raise ValueError("it has no InstrumentationKey")
    if not re.fullmatch(_GUID, key):
        raise ValueError("its InstrumentationKey is not a GUID of 8-4-4-4-12 hexadecimal digits")
    return key


def _endpoint(pairs: dict[str, str]) -> str:
    """Return the explicit endpoint, else the one built from suffix and location, else the global one."""
    if "ingestionendpoint" in pairs:
        return _checked_url(pairs["ingestionendpoint"], "IngestionEndpoint")
    if "endpointsuffix" in pairs:
        labels = [pairs.get("location", ""), "dc", pairs["endpointsuffix"]]
        host = ".".join(filter(None, (label.strip("./ ") for label in labels)))
        # A slash would let the rest pass as a path.
        return _checked_url("https://" + host.replace("/", " "), "EndpointSuffix or Location")
    return DEFAULT_ENDPOINT


def _checked_url(url: str, name: str) -> str:
    if "://" not in url:
        url = "https://" + url
    try:
        parts = urlsplit(url)
        # Reading the port is what makes urllib check it.
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"its {name} is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"its {name} does not begin with https:// or http://")
    if not re.fullmatch(_HOST, host) or ".." in host or port == 0 or not re.fullmatch(_URL_TEXT, url):
        raise ValueError(f"its {name} does not name a valid host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"its {name} has more than a host and a path")
    path = re.sub(r"/v2(?:\.1)?/track$", "", parts.path.rstrip("/")).rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower().rstrip(':')}{path}"


def _audience(pairs: dict[str, str]) -> str | None:
    audience = pairs.get("aadaudience")
    if audience is not None and not re.fullmatch(_URL_TEXT, audience):
        raise ValueError("its AADAudience is not a URL")
    return audience
