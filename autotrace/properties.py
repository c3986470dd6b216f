"""What an application adds to its telemetry: any keys and values, told as the schema's properties."""

from __future__ import annotations

from typing import Any, Mapping

from . import urls
from .limits import KEY_LIMIT, VALUE_LIMIT, clean


def texts(attributes: Mapping[Any, Any]) -> dict[str, str]:
    """Return attributes as the schema's properties: strings only, within the limits of keys and values."""
    found = {}
    for key, value in list(attributes.items()):
        name = clean(text_of(key), KEY_LIMIT)
        if name and value is not None:
            text = text_of(value)
            # OpenCensus's name for the address of a call, which may hold a password or a token.
            found[name] = clean(urls.redact(text) if name == "http.url" else text, VALUE_LIMIT)
    return {name: text for name, text in found.items() if text}


def text_of(value: Any) -> str:
    """Return any value as text; one that cannot be written costs itself, not the item."""
    try:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


def longest(properties: Mapping[str, str]) -> str:
    """Return the name of the longest value."""
    return max(properties, key=lambda name: len(properties[name]))
