"""Telemetry items as rows of the store: one item of the ingestion format, one row."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Callable, Iterable, Mapping

from .tables import BY_BASE_TYPE, SPELLINGS, TABLES, TAGS, bucket_of, performance_bucket

_DURATION = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)").fullmatch
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII
).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SEVERITIES = {"verbose": 0, "information": 1, "warning": 2, "error": 3, "critical": 4}
# Without white space, as JSON and nothing beyond it.
_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
# In percent: below it a rate is no rate, and nobody has as many items as one would then stand for.
_LOWEST_RATE = 1e-6
# What `row_of` raises for what is no item.
NO_ITEM = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
# The last second that was read: a busy server has thousands of items in one.
_second: tuple[str, int] = ("", 0)


def row_of(item: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the table of an item and its values for the columns behind itemId.

    One of NO_ITEM for an item that the service would not take; all that it takes has a row.
    """
    data = item["data"]
    base: Mapping[str, Any] = data["baseData"]
    table = BY_BASE_TYPE[SPELLINGS.get(data["baseType"], data["baseType"])]
    moment = microseconds(item["time"])
    tags = item.get("tags") or {}
    values: list[Any] = [timestamp(moment)]
    values += _OWN[table](base)
    values += (
        TABLES[table].item_type,
        _count(item.get("sampleRate")),
        _json(base.get("properties")),
        _json(base.get("measurements")),
    )
    values += map(tags.get, TAGS.values())
    values += (item.get("iKey"), moment)
    return table, values


def microseconds(text: str) -> int:
    """Return a time in ISO 8601, in UTC where it names no zone, as microseconds since 1970; ValueError for no time."""
    global _second
    known = _second
    if text[:19] == known[0] and text[-1:] == "Z" and text[19:20] == "." and text[20:-1].isdigit():
        return known[1] + int(text[20:-1][:6].ljust(6, "0"))
    match = _TIME(text)
    if match is None:
        raise ValueError(f"not a time: {text[:80]!r}")
    *parts, fraction, zone = match.groups()
    seconds = int((datetime(*map(int, parts), tzinfo=timezone.utc) - _EPOCH).total_seconds())  # type: ignore[misc,arg-type]
    if zone in (None, "Z"):
        _second = (text[:19], seconds * 1_000_000)
    else:
        sign = -1 if zone[0] == "+" else 1
        seconds += sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return seconds * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))


def timestamp(moment: int) -> str:
    """Return microseconds since 1970 in ISO 8601, always as long: such texts sort as their times do."""
    seconds, rest = divmod(moment, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def milliseconds(duration: str) -> float:
    """Return a duration `[d.]hh:mm:ss[.fffffff]` in milliseconds; ValueError for another text."""
    match = _DURATION(duration)
    if match is None:
        raise ValueError(f"not a duration: {duration[:80]!r}")
    days, hours, minutes, seconds = match.groups()
    return round(((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000, 4)


def severity(value: Any) -> int | None:
    """Return a severity level as Logs has it: 0 (verbose) to 4 (critical)."""
    return _SEVERITIES.get(value.lower()) if isinstance(value, str) else value


def _count(rate: Any) -> float:
    """Return for how many items one stands that was kept at a rate in percent."""
    return 100 / rate if isinstance(rate, (int, float)) and _LOWEST_RATE <= rate <= 100 else 1


def _json(values: Mapping[str, Any] | None) -> str | None:
    if values and None in values.values():
        # What JavaScript makes of NaN.
        values = {name: value for name, value in values.items() if value is not None}
    return _dump(values) if values else None


def _details(chain: Any) -> str:
    try:
        return _dump(chain)
    except ValueError:
        # A number beyond all that JSON has, in a field that nobody asked for.
        return _dump(json.loads(json.dumps(chain), parse_constant=lambda name: None))


def _duration(base: Mapping[str, Any]) -> tuple[float, str]:
    took = milliseconds(base["duration"])
    return took, performance_bucket(took)


def _success(base: Mapping[str, Any]) -> int:
    # What is not said is true, in the service's schema.
    return int(base.get("success") is not False)


def _request(base: Mapping[str, Any]) -> Iterable[Any]:
    took, length = _duration(base)
    get = base.get
    code = base["responseCode"]
    return (base["id"], get("name"), get("url"), get("source"), _success(base), code, took, length, bucket_of(took))


def _dependency(base: Mapping[str, Any]) -> Iterable[Any]:
    took, length = _duration(base)
    get = base.get
    result = (_success(base), get("resultCode"), took, length, bucket_of(took))
    return (get("id"), get("type"), get("target"), get("name"), get("data"), *result)


def _exception(base: Mapping[str, Any]) -> Iterable[Any]:
    chain = base["exceptions"]
    outer = _error(chain[0])
    kind, message, method, assembly = outer
    return (
        base.get("problemId"), None, kind, message, assembly, method, severity(base.get("severityLevel")),
        _details(chain), *outer, *_error(chain[-1]),
    )  # fmt: skip


def _error(details: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    frames = details.get("parsedStack")
    frame = frames[0] if isinstance(frames, list) and frames else {}
    return details.get("typeName"), details["message"], frame.get("method"), frame.get("assembly")


def _message(base: Mapping[str, Any]) -> Iterable[Any]:
    return base["message"], severity(base.get("severityLevel"))


def _event(base: Mapping[str, Any]) -> Iterable[Any]:
    return (base["name"],)


def _metric(base: Mapping[str, Any]) -> Iterable[Any]:
    point = base["metrics"][0]
    value, get = point["value"], point.get
    count = get("count") or 1
    low, high = get("min"), get("max")
    return (
        point["name"], value / count, count, value, value if low is None else low, value if high is None else high,
        get("stdDev"),
    )  # fmt: skip


def _page_view(base: Mapping[str, Any]) -> Iterable[Any]:
    took = milliseconds(base["duration"]) if base.get("duration") else None
    return base.get("id"), base.get("name"), base.get("url"), took, took if took is None else performance_bucket(took)


def _timing(base: Mapping[str, Any]) -> Iterable[Any]:
    parts = ("perfTotal", "networkConnect", "sentRequest", "receivedResponse", "domProcessing")
    took = [milliseconds(base[part]) if base.get(part) else None for part in parts]
    return base.get("name"), base.get("url"), *took


def _availability(base: Mapping[str, Any]) -> Iterable[Any]:
    took, length = _duration(base)
    return base["id"], base["name"], base.get("runLocation"), _success(base), base.get("message"), took, length


_OWN: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Any]]] = {
    "requests": _request,
    "dependencies": _dependency,
    "exceptions": _exception,
    "traces": _message,
    "customEvents": _event,
    "customMetrics": _metric,
    "pageViews": _page_view,
    "browserTimings": _timing,
    "availabilityResults": _availability,
}
