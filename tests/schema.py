"""What an Application Insights endpoint accepts: every field, type and limit of a telemetry item."""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from typing import Any, Callable, Iterator, NamedTuple

ITEM_BYTES = 65_536
KEY_LENGTH, VALUE_LENGTH = 150, 8_192
OLDEST, NEWEST = datetime.timedelta(hours=48), datetime.timedelta(hours=2)
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z\Z")
DURATION = re.compile(r"(?:(\d{1,3})\.)?([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,7})?\Z")
TRACE_ID, SPAN_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z"), re.compile(r"(?!0{16})[0-9a-f]{16}\Z")


class Fault(NamedTuple):
    """What is wrong with an item: the service's code, or 0 for what it takes though nobody can use it."""

    code: int
    text: str


class Field(NamedTuple):
    """One field: what it holds, its maximum length (0: none) and whether the service insists on it."""

    kind: str
    maximum: int = 0
    required: bool = False


ENVELOPE = {
    "ver": Field("int"),
    "name": Field("string", 1024, True),
    "time": Field("time", 64, True),
    "sampleRate": Field("number"),
    "seq": Field("string", 64),
    "iKey": Field("string", 40, True),
    "flags": Field("int"),
    "tags": Field("object"),
    "data": Field("object", 0, True),
}
TAGS = {
    "ai.application.ver": 1024,
    "ai.cloud.role": 256,
    "ai.cloud.roleInstance": 256,
    "ai.device.id": 1024,
    "ai.device.locale": 64,
    "ai.device.model": 256,
    "ai.device.oemName": 256,
    "ai.device.osVersion": 256,
    "ai.device.type": 64,
    "ai.internal.agentVersion": 64,
    "ai.internal.nodeName": 256,
    "ai.internal.sdkVersion": 64,
    "ai.location.ip": 45,
    "ai.operation.correlationVector": 64,
    "ai.operation.id": 128,
    "ai.operation.name": 1024,
    "ai.operation.parentId": 128,
    "ai.operation.syntheticSource": 1024,
    "ai.session.id": 64,
    "ai.session.isFirst": 5,
    "ai.user.accountId": 1024,
    "ai.user.authUserId": 1024,
    "ai.user.id": 128,
    "ai.user.userAgent": 2048,
}
COMMON = {"ver": Field("int", 0, True), "properties": Field("strings"), "measurements": Field("numbers")}
TYPES: dict[str, dict[str, Field]] = {
    "RequestData": {
        "id": Field("string", 128, True),
        "duration": Field("duration", 0, True),
        "responseCode": Field("string", 1024, True),
        "success": Field("bool", 0, True),
        "source": Field("string", 1024),
        "name": Field("string", 1024),
        "url": Field("string", 2048),
        **COMMON,
    },
    "RemoteDependencyData": {
        "name": Field("string", 1024, True),
        "duration": Field("duration", 0, True),
        "id": Field("string", 128),
        "resultCode": Field("string", 1024),
        "success": Field("bool"),
        "data": Field("string", 8192),
        "type": Field("string", 1024),
        "target": Field("string", 1024),
        **COMMON,
    },
    "ExceptionData": {
        "exceptions": Field("ExceptionDetails", 0, True),
        "severityLevel": Field("severity"),
        "problemId": Field("string", 1024),
        **COMMON,
    },
    "ExceptionDetails": {
        "id": Field("int"),
        "outerId": Field("int"),
        "typeName": Field("string", 1024),
        "message": Field("string", 32_768, True),
        "hasFullStack": Field("bool"),
        "stack": Field("string", 32_768),
        "parsedStack": Field("StackFrame"),
    },
    "StackFrame": {
        "level": Field("int", 0, True),
        "method": Field("string", 1024, True),
        "assembly": Field("string", 1024),
        "fileName": Field("string", 1024),
        "line": Field("line"),
    },
    "MessageData": {"message": Field("string", 32_768, True), "severityLevel": Field("severity"), **COMMON},
    "EventData": {"name": Field("string", 512, True), **COMMON},
    "MetricData": {"metrics": Field("DataPoint", 0, True), **COMMON},
    "DataPoint": {
        "name": Field("string", 1024, True),
        "value": Field("number", 0, True),
        "ns": Field("string", 256),
        "kind": Field("kind"),
        "count": Field("int"),
        "min": Field("number"),
        "max": Field("number"),
        "stdDev": Field("number"),
    },
}
SEVERITIES = ("Verbose", "Information", "Warning", "Error", "Critical", 0, 1, 2, 3, 4)


def faults(item: Any, size: int, now: datetime.datetime | None = None) -> list[Fault]:
    """List what is wrong with an item whose JSON took `size` bytes; `now` is in UTC, default: the present."""
    if not isinstance(item, dict):
        return [Fault(106, "an item must be an object")]
    found = [Fault(400, f"Telemetry item length must not exceed {ITEM_BYTES}")] if size >= ITEM_BYTES else []
    found += check_object("Envelope", item, ENVELOPE)
    if any(fault.code for fault in found):
        return found
    found += check_envelope(item, now or datetime.datetime.now(datetime.timezone.utc))
    data = item["data"]
    base_type, base = data.get("baseType"), data.get("baseData")
    if not isinstance(base_type, str) or base_type not in TYPES:
        return [*found, Fault(109, f"baseType {base_type!r} is unknown")]
    if not isinstance(base, dict):
        return [*found, Fault(106, f"Field 'baseData' on type {base_type}: expected an object")]
    found += check_object(base_type, base, TYPES[base_type])
    if not any(fault.code for fault in found):
        found += check_sense(item, base_type, base)
    return found


def check_envelope(item: dict[str, Any], now: datetime.datetime) -> Iterator[Fault]:
    """Check what the envelope says beyond types: key, time, sample rate and tags."""
    if not GUID.match(item["iKey"]):
        yield Fault(400, "Invalid instrumentation key")
    sent = datetime.datetime.strptime(item["time"][:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    if not now - OLDEST < sent < now + NEWEST:
        yield Fault(103, f"Field 'time' is out of range: {item['time']}")
    if not 0 < item.get("sampleRate", 100) <= 100:
        yield Fault(0, f"sampleRate {item['sampleRate']} is not a percentage")
    for tag, value in item.get("tags", {}).items():
        if not isinstance(value, str):
            yield Fault(106, f"Tag '{tag}': expected string, actual {type(value).__name__}")
        elif tag not in TAGS:
            yield Fault(0, f"tag {tag!r} is not known")
        elif len(value) > TAGS[tag]:
            yield Fault(100, f"Tag '{tag}' is too long. Expected: {TAGS[tag]}, Actual: {len(value)}")
        elif not value:
            yield Fault(0, f"tag {tag!r} is empty")
        elif tag == "ai.location.ip" and not is_address(value):
            yield Fault(100, f"Tag 'ai.location.ip' is no address: {value!r}")


def check_object(where: str, value: dict[str, Any], fields: dict[str, Field]) -> list[Fault]:
    """Check an object field by field; fields that the table lacks would be lost in silence."""
    found = [Fault(0, f"field {name!r} on {where!r} is not known") for name in value if name not in fields]
    for name, field in fields.items():
        here = f"Field '{name}' on type '{where}'"
        if value.get(name) is None:
            if field.required:
                found.append(Fault(109, f"{here} is required but missing"))
            elif name in value:
                found.append(Fault(0, f"{here} is null"))
        elif field.required and value[name] in ("", []):
            found.append(Fault(109, f"{here} is required but empty"))
        elif field.kind in TYPES:
            found += check_list(here, value[name], field.kind)
        else:
            found += check_value(here, value[name], field)
    return found


def check_list(here: str, values: Any, kind: str) -> list[Fault]:
    """Check a list whose members are objects of one kind."""
    if not isinstance(values, list):
        return [Fault(106, f"{here}: expected array, actual {type(values).__name__}")]
    found: list[Fault] = []
    for value in values:
        if isinstance(value, dict):
            found += check_object(kind, value, TYPES[kind])
        else:
            found.append(Fault(106, f"{here}: expected objects, actual {type(value).__name__}"))
    return found


def check_value(here: str, value: Any, field: Field) -> Iterator[Fault]:
    """Check one value against what its field holds."""
    kind = field.kind
    if kind in ("strings", "numbers"):
        yield from check_map(here, value, kind)
    elif not KINDS[kind](value):
        code = 102 if kind == "time" else 106
        yield Fault(code, f"{here}: expected {kind}, actual {type(value).__name__} {str(value)[:80]!r}")
    elif field.maximum and len(value) > field.maximum:
        yield Fault(100, f"{here} is too long. Expected: {field.maximum} characters, Actual: {len(value)}")


def check_map(here: str, value: Any, kind: str) -> Iterator[Fault]:
    """Check properties (strings) or measurements (numbers): keys, values and their lengths."""
    if not isinstance(value, dict):
        yield Fault(106, f"{here}: expected object, actual {type(value).__name__}")
        return
    for key, entry in value.items():
        if not key or len(key) > KEY_LENGTH:
            yield Fault(100, f"{here}: a key of {len(key)} characters: {key[:20]!r}")
        if kind == "numbers" and not is_number(entry):
            yield Fault(106, f"{here}: {key!r} is no finite number: {entry!r}")
        if kind == "strings" and not isinstance(entry, str):
            yield Fault(106, f"{here}: {key!r} is no string: {entry!r}")
        elif kind == "strings" and len(entry) > VALUE_LENGTH:
            yield Fault(100, f"{here}: {key!r} is too long. Expected: {VALUE_LENGTH}, Actual: {len(entry)}")


def check_sense(item: dict[str, Any], base_type: str, base: dict[str, Any]) -> Iterator[Fault]:
    """Check what the service would store but the portal could not use: ids, versions, names and codes."""
    if base["ver"] != 2:
        yield Fault(0, f"baseData.ver is {base['ver']}")
    if not base_type.startswith(item["name"].rpartition(".")[2]):
        yield Fault(0, f"an item named {item['name']} holds {base_type}")
    tags = item.get("tags", {})
    # A log line may be made outside of all operations, and then hangs under nothing either.
    is_outside = base_type in ("MessageData", "ExceptionData") and "ai.operation.parentId" not in tags
    missing = "1" * 32 if is_outside or base_type == "MetricData" else ""
    if not TRACE_ID.match(tags.get("ai.operation.id", missing)):
        yield Fault(0, f"ai.operation.id is {tags.get('ai.operation.id')!r}")
    if not SPAN_ID.match(tags.get("ai.operation.parentId", "1" * 16)):
        yield Fault(0, f"ai.operation.parentId is {tags['ai.operation.parentId']!r}")
    if "id" in base and not SPAN_ID.match(base["id"]):
        yield Fault(0, f"id is {base['id']!r}")
    if base_type == "RequestData" and not re.match(r"[1-9]\d\d\Z", base["responseCode"]):
        yield Fault(0, f"responseCode is {base['responseCode']!r}")
    if base_type == "RequestData" and base.get("name") != tags.get("ai.operation.name"):
        yield Fault(0, f"name {base.get('name')!r} is not ai.operation.name in {tags}")


def is_number(value: Any) -> bool:
    """Tell whether a JSON value is a finite number (True and False are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_int(value: Any) -> bool:
    """Tell whether a JSON value is a whole number (True and False are none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_time(value: Any) -> bool:
    """Tell whether a value is a moment in UTC, spelled as the service wants it."""
    try:
        return bool(TIME.match(value)) and bool(datetime.datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S"))
    except (TypeError, ValueError):
        return False


def is_address(value: str) -> bool:
    """Tell whether a text is an IPv4 or IPv6 address and nothing more."""
    try:
        return bool(ipaddress.ip_address(value))
    except ValueError:
        return False


KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "int": is_int,
    "line": lambda value: is_int(value) and abs(value) < 1_000_000,
    "kind": lambda value: value in (0, 1, "Measurement", "Aggregation"),
    "number": is_number,
    "severity": lambda value: value in SEVERITIES,
    "time": is_time,
    "duration": lambda value: isinstance(value, str) and bool(DURATION.match(value)),
}
