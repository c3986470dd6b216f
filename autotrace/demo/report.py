"""What was recorded, as lines for a terminal."""

from __future__ import annotations

from typing import Sequence

from autotrace.demo.collector import Item
from autotrace.demo.traffic import HEALTH, Sent

HEAD = ("service", "operation", "status", "ms", "operation id")


def requests_of(items: Sequence[Item]) -> list[Item]:
    """Return the request items in the order in which their requests began."""
    requests = [item for item in items if item["data"]["baseType"] == "RequestData"]
    return sorted(requests, key=lambda item: str(item["time"]))


def table(items: Sequence[Item]) -> list[str]:
    """Return request items as the lines of a table; numbers stand on the right."""
    rows = [HEAD, *(row(item) for item in items)]
    service, name, status, ms, _ = (max(map(len, column)) for column in zip(*rows))
    return [f"  {r[0]:<{service}}  {r[1]:<{name}}  {r[2]:>{status}}  {r[3]:>{ms}}  {r[4]}" for r in rows]


def row(item: Item) -> tuple[str, str, str, str, str]:
    """Return a request item as the cells of HEAD; of the operation id its beginning."""
    data, tags = item["data"]["baseData"], item["tags"]
    ms = f"{milliseconds(data['duration']):.1f}"
    return tags["ai.cloud.role"], data["name"], data["responseCode"], ms, tags["ai.operation.id"][:8]


def milliseconds(duration: str) -> float:
    """Return the milliseconds of a duration in the form `d.hh:mm:ss.fffffff`."""
    days, _, clock = duration.partition(".")
    hours, minutes, seconds = clock.split(":")
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000


def remarks(sent: Sequence[Sent], items: Sequence[Item]) -> list[str]:
    """Return what the table does not show: what was hidden, and which operation spans the services."""
    hidden = sum(request.target == HEALTH for request in sent)
    operation = next((request.operation for request in sent if request.operation), "")
    spanned = {item["tags"]["ai.cloud.role"] for item in items if item["tags"]["ai.operation.id"] == operation}
    return [
        f"{hidden} health checks were answered and not recorded: AUTOTRACE_BLACKLIST_PATHS={HEALTH}",
        f"Operation {operation[:8]} spans {len(spanned)} services: its requests came with one trace id.",
    ]


def missing(sent: Sequence[Sent], items: Sequence[Item]) -> list[str]:
    """Return what is not as it should be; nothing when each request that is not blacklisted has one item."""
    expected = sum(request.target != HEALTH for request in sent)
    return [] if len(items) == expected else [f"{len(items)} of {expected} requests were recorded"]


NEXT = """\
The items went to an endpoint inside this command. For your own server, take the connection string from
the overview page of your Application Insights resource:

  export APPLICATIONINSIGHTS_CONNECTION_STRING='InstrumentationKey=...;IngestionEndpoint=https://...'
  autotrace run gunicorn shop.wsgi

Without the variable, each request is printed as one line on stderr."""
