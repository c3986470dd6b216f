"""OpenCensus spans as the fields of a RemoteDependencyData (version 2 of the service's schema)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Mapping

from . import times, urls
from .limits import DATA_LIMIT, NAME_LIMIT, clean
from .properties import text_of, texts
from .times import timestamp

if TYPE_CHECKING:
    from .recorder import Recording

# opencensus.trace.span.SpanKind.CLIENT
CLIENT = 2
# So many are within the limit of a property's value.
_LINKS_LIMIT = 100


def of_span(recording: Recording, data: Any) -> tuple[str, dict[str, Any]]:
    """Return the start of a span as the schema wants it, and what the span says; `properties` are always there."""
    attributes = data.attributes or {}
    properties = texts(attributes)
    started, elapsed = _times(recording, data)
    if data.links:
        links = [{"operation_Id": link.trace_id, "id": link.span_id} for link in data.links]
        properties["_MS.links"] = json.dumps(links[:_LINKS_LIMIT], separators=(",", ":"))
    base = {
        "ver": 2,
        "id": data.span_id,
        "name": clean(text_of(data.name), NAME_LIMIT) or "span",
        "duration": times.duration(elapsed),
        "resultCode": str(data.status.code if data.status is not None else 0),
        "success": data.status is None or data.status.code == 0,
        "type": "InProc",
        "properties": properties,
    }
    if data.span_kind == CLIENT:
        base.update(_client(attributes))
    return started, base


def _times(recording: Recording, data: Any) -> tuple[str, int]:
    """Return the start of a span as the schema wants it and its nanoseconds.

    A span that was never started begins with its request; 0 where a time is missing or the clock stepped back.
    """
    try:
        first = times.parse(data.start_time)
    except (TypeError, ValueError):
        return timestamp(recording.started), 0
    try:
        last = times.parse(data.end_time)
        return str(data.start_time), max(int((last - first).total_seconds() * 1e6) * 1000, 0)
    except (TypeError, ValueError):
        return str(data.start_time), 0


def _client(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a client span's attributes say of the call it made (the attribute names are OpenCensus's)."""
    said: dict[str, Any] = {"type": clean(text_of(attributes.get("component") or "Other"), NAME_LIMIT)}
    url = attributes.get("http.url")
    if url:
        redacted = urls.redact(text_of(url))
        said.update(data=clean(redacted, DATA_LIMIT), target=clean(urls.host_of(redacted), NAME_LIMIT))
        method = attributes.get("http.method")
        if method:
            said["name"] = clean(f"{text_of(method)} {urls.path_of(redacted)}", NAME_LIMIT)
    code = attributes.get("http.status_code")
    if code is not None:
        said["resultCode"] = clean(text_of(code), NAME_LIMIT)
        said["success"] = text_of(code) < "400"
    return said
