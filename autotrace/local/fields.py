"""The fields of a telemetry item as the ingestion service knows them: types, limits, and which must be there."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class Field(NamedTuple):
    """A field: one of KINDS, its most characters (0: any), whether it must be there, and what an array of it holds."""

    kind: str
    limit: int = 0
    required: bool = False
    members: str = ""


def _text(limit: int, required: bool = False) -> Field:
    return Field("string", limit, required)


_COMMON = {
    "ver": Field("integer", required=True),
    "properties": Field("properties"),
    "measurements": Field("measurements"),
}
_DURATION_FIELD, _OPTIONAL_DURATION = Field("duration", required=True), Field("duration")
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "Envelope": {
        "ver": Field("integer"),
        "name": _text(1024, True),
        "time": _text(64, True),
        "sampleRate": Field("number"),
        "seq": _text(64),
        "iKey": _text(40, True),
        "flags": Field("long"),
        "tags": Field("object"),
        "data": Field("object", required=True),
    },
    "Data": {"baseType": _text(0, True), "baseData": Field("object", required=True)},
    "RequestData": {
        "id": _text(128, True),
        "duration": _DURATION_FIELD,
        "responseCode": _text(1024, True),
        "success": Field("boolean", required=True),
        "source": _text(1024),
        "name": _text(1024),
        "url": _text(2048),
        **_COMMON,
    },
    "RemoteDependencyData": {
        "name": _text(1024, True),
        "duration": _DURATION_FIELD,
        "id": _text(128),
        "resultCode": _text(1024),
        "success": Field("boolean"),
        "data": _text(8192),
        "type": _text(1024),
        "target": _text(1024),
        **_COMMON,
    },
    "ExceptionData": {
        "exceptions": Field("array", 0, True, "ExceptionDetails"),
        "severityLevel": Field("severity"),
        "problemId": _text(1024),
        **_COMMON,
    },
    "ExceptionDetails": {
        "id": Field("integer"),
        "outerId": Field("integer"),
        "typeName": _text(1024),
        "message": _text(32_768, True),
        "hasFullStack": Field("boolean"),
        "stack": _text(32_768),
        "parsedStack": Field("array", 0, False, "StackFrame"),
    },
    "StackFrame": {
        "level": Field("integer", required=True),
        "method": _text(1024, True),
        "assembly": _text(1024),
        "fileName": _text(1024),
        "line": Field("line"),
    },
    "MessageData": {"message": _text(32_768, True), "severityLevel": Field("severity"), **_COMMON},
    "EventData": {"name": _text(512, True), **_COMMON},
    "MetricData": {"metrics": Field("array", 0, True, "DataPoint"), **_COMMON},
    "DataPoint": {
        "name": _text(1024, True),
        "value": Field("number", required=True),
        "ns": _text(256),
        "kind": Field("point"),
        "count": Field("integer"),
        "min": Field("number"),
        "max": Field("number"),
        "stdDev": Field("number"),
    },
    "PageViewData": {
        "name": _text(1024, True),
        "url": _text(2048),
        "duration": _OPTIONAL_DURATION,
        "id": _text(512),
        "referrerUri": _text(2048),
        **_COMMON,
    },
    "PageViewPerfData": {
        "name": _text(1024, True),
        "url": _text(2048),
        "id": _text(512),
        "referrerUri": _text(2048),
        **dict.fromkeys(
            ("duration", "perfTotal", "networkConnect", "sentRequest", "receivedResponse", "domProcessing"),
            _OPTIONAL_DURATION,
        ),
        **_COMMON,
    },
    "AvailabilityData": {
        "id": _text(512, True),
        "name": _text(1024, True),
        "duration": _DURATION_FIELD,
        "success": Field("boolean", required=True),
        "runLocation": _text(1024),
        "message": _text(8192),
        **_COMMON,
    },
}
# What `data` may hold.
BASE_TYPES = tuple(name for name, fields in FIELDS.items() if "properties" in fields)
# Tag → its most characters; a tag that is not here may have any.
TAGS: Mapping[str, int] = {
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
    "ai.location.ip": 46,
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
