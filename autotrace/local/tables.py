"""The tables of the store: named, with their columns, as Application Insights Logs names them (its classic schema).

Columns that begin with `_` are the store's own: `_time` is the timestamp in microseconds since 1970, `_bucket` says
about how long something took, and is what percentiles are computed from.
"""

from __future__ import annotations

import math
from typing import Iterator, Mapping, NamedTuple

# In the header of the file: a SQLite file without it is not ours. The letters ATRC.
APPLICATION_ID = 0x41545243
# Of the tables as they stand here; a file with another one is left alone.
VERSION = 1


class Table(NamedTuple):
    """A table: the `baseType` of its items, what Logs calls their type, and its own columns with their SQL types."""

    base_type: str
    item_type: str
    columns: Mapping[str, str]


_TIMED = {"duration": "REAL", "performanceBucket": "TEXT"}
_RESULT = {"success": "INTEGER", "resultCode": "TEXT"}
_ERROR = ("Type", "Message", "Method", "Assembly")

TABLES: Mapping[str, Table] = {
    "requests": Table(
        "RequestData",
        "request",
        {"id": "TEXT", "name": "TEXT", "url": "TEXT", "source": "TEXT", **_RESULT, **_TIMED, "_bucket": "INTEGER"},
    ),
    "dependencies": Table(
        "RemoteDependencyData",
        "dependency",
        {
            **{"id": "TEXT", "type": "TEXT", "target": "TEXT", "name": "TEXT", "data": "TEXT"},
            **_RESULT,
            **_TIMED,
            "_bucket": "INTEGER",
        },
    ),
    "exceptions": Table(
        "ExceptionData",
        "exception",
        {
            **{"problemId": "TEXT", "handledAt": "TEXT", "type": "TEXT", "message": "TEXT", "assembly": "TEXT"},
            **{"method": "TEXT", "severityLevel": "INTEGER", "details": "TEXT"},
            **{f"{which}{what}": "TEXT" for which in ("outer", "innermost") for what in _ERROR},
        },
    ),
    "traces": Table("MessageData", "trace", {"message": "TEXT", "severityLevel": "INTEGER"}),
    "customEvents": Table("EventData", "customEvent", {"name": "TEXT"}),
    "customMetrics": Table(
        "MetricData",
        "customMetric",
        {
            **{"name": "TEXT", "value": "REAL", "valueCount": "INTEGER", "valueSum": "REAL"},
            **{"valueMin": "REAL", "valueMax": "REAL", "valueStdDev": "REAL"},
        },
    ),
    "pageViews": Table("PageViewData", "pageView", {"id": "TEXT", "name": "TEXT", "url": "TEXT", **_TIMED}),
    "browserTimings": Table(
        "PageViewPerfData",
        "browserTiming",
        {
            **{"name": "TEXT", "url": "TEXT", "totalDuration": "REAL", "networkDuration": "REAL"},
            **{"sendDuration": "REAL", "receiveDuration": "REAL", "processingDuration": "REAL"},
        },
    ),
    "availabilityResults": Table(
        "AvailabilityData",
        "availabilityResult",
        {"id": "TEXT", "name": "TEXT", "location": "TEXT", "success": "INTEGER", "message": "TEXT", **_TIMED},
    ),
}
# As the SDK for browsers spells them, which the service takes too.
SPELLINGS: Mapping[str, str] = {"PageviewData": "PageViewData", "PageviewPerformanceData": "PageViewPerfData"}
BY_BASE_TYPE: Mapping[str, str] = {table.base_type: name for name, table in TABLES.items()}

# Column → the tag of an item that fills it.
TAGS: Mapping[str, str] = {
    "operation_Name": "ai.operation.name",
    "operation_Id": "ai.operation.id",
    "operation_ParentId": "ai.operation.parentId",
    "operation_SyntheticSource": "ai.operation.syntheticSource",
    "session_Id": "ai.session.id",
    "user_Id": "ai.user.id",
    "user_AuthenticatedId": "ai.user.authUserId",
    "user_AccountId": "ai.user.accountId",
    "application_Version": "ai.application.ver",
    "client_Type": "ai.device.type",
    "client_Model": "ai.device.model",
    "client_OS": "ai.device.osVersion",
    "client_IP": "ai.location.ip",
    "client_Browser": "ai.user.userAgent",
    "cloud_RoleName": "ai.cloud.role",
    "cloud_RoleInstance": "ai.cloud.roleInstance",
    "sdkVersion": "ai.internal.sdkVersion",
}
# What all tables have: in front of their own columns, and behind them.
FIRST = {"itemId": "INTEGER PRIMARY KEY", "timestamp": "TEXT NOT NULL"}
LAST = {
    **{"itemType": "TEXT NOT NULL", "itemCount": "REAL NOT NULL", "customDimensions": "TEXT"},
    **{"customMeasurements": "TEXT", **dict.fromkeys(TAGS, "TEXT"), "iKey": "TEXT", "_time": "INTEGER NOT NULL"},
}
# Each page reads one of these from end to end in place of the table.
_INDEXES = {
    "requests": (
        "_time, cloud_RoleName, operation_Name, success, resultCode, _bucket, duration, itemCount,"
        " operation_SyntheticSource",
        # Also who answered a call: a request whose parent is the call's id.
        "operation_Id, operation_ParentId, cloud_RoleName",
    ),
    "dependencies": (
        "_time, cloud_RoleName, type, target, success, duration, itemCount, name, _bucket, operation_Name,"
        " operation_SyntheticSource, id, operation_Id",
        "operation_Id",
    ),
    "exceptions": ("_time", "operation_Id"),
    "traces": ("_time", "operation_Id"),
}


def columns_of(table: str) -> dict[str, str]:
    """Return the columns of a table with their SQL types, in their order."""
    return {**FIRST, **TABLES[table].columns, **LAST}


def definition() -> Iterator[str]:
    """Yield the SQL statements that make the tables of a store, and mark it as one."""
    # What the spools of this machine have brought: a line that comes once more after a kill is known.
    yield "CREATE TABLE _seen (line INTEGER PRIMARY KEY, _time INTEGER NOT NULL)"
    yield "CREATE INDEX _seen_0 ON _seen (_time)"
    for name in TABLES:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in columns_of(name).items())
        yield f"CREATE TABLE {name} ({columns})"
        for number, index in enumerate(_INDEXES.get(name, ("_time", "operation_Id"))):
            yield f"CREATE INDEX _{name}_{number} ON {name} ({index})"
    yield f"PRAGMA user_version = {VERSION}"
    yield f"PRAGMA application_id = {APPLICATION_ID}"


# Sixteen steps each time that a duration doubles: a percentile is within 2.2 % of the true one.
_STEPS = 16


def bucket_of(milliseconds: float) -> int:
    """Return the bucket of a duration in milliseconds; bucket 0 ends at a microsecond."""
    return math.ceil(math.log2(max(milliseconds * 1000, 1)) * _STEPS)


def middle_of(bucket: int) -> float:
    """Return the duration in the middle of a bucket, in milliseconds."""
    return float(2 ** ((bucket - 0.5) / _STEPS) / 1000)


# Upper ends in milliseconds, and what Logs calls a duration below.
_PERFORMANCE = (
    (250, "<250ms"), (500, "250ms-500ms"), (1000, "500ms-1sec"), (3000, "1sec-3sec"), (7000, "3sec-7sec"),
    (15_000, "7sec-15sec"), (30_000, "15sec-30sec"), (60_000, "30sec-1min"), (120_000, "1min-2min"),
    (300_000, "2min-5min"),
)  # fmt: skip


def performance_bucket(milliseconds: float) -> str:
    """Return what Logs calls the length of a duration in milliseconds."""
    return next((name for end, name in _PERFORMANCE if milliseconds < end), ">=5min")
