"""What was recorded, read from the store, as lines for a terminal."""

from __future__ import annotations

import sqlite3
from typing import Any, Sequence

from autotrace.demo.traffic import HEALTH, VISITS

HEAD = ("service", "operation", "status", "ms", "operation id")
REQUESTS = """
SELECT cloud_RoleName, operation_Name, resultCode, duration, operation_Id FROM requests ORDER BY timestamp
"""
# What one order is made of.
ORDER = """
WITH chosen AS (SELECT operation_Id FROM requests WHERE operation_Name LIKE 'POST /orders/%' ORDER BY timestamp LIMIT 1)
SELECT operation_Id,
  (SELECT count(*) FROM requests WHERE operation_Id = chosen.operation_Id),
  (SELECT count(*) FROM dependencies WHERE operation_Id = chosen.operation_Id),
  (SELECT count(*) FROM traces WHERE operation_Id = chosen.operation_Id)
FROM chosen
"""


def table(found: Sequence[Any]) -> list[str]:
    """Return the rows of REQUESTS as the lines of a table; numbers stand on the right."""
    rows = [HEAD, *(row(each) for each in found)]
    service, name, status, ms, _ = (max(map(len, column)) for column in zip(*rows))
    return [f"  {r[0]:<{service}}  {r[1]:<{name}}  {r[2]:>{status}}  {r[3]:>{ms}}  {r[4]}" for r in rows]


def row(request: Sequence[Any]) -> tuple[str, str, str, str, str]:
    """Return a row of REQUESTS as the cells of HEAD; of the operation id its beginning."""
    role, name, status, duration, operation = request
    return role, name, status, f"{duration:.1f}", operation[:8]


def remarks(store: sqlite3.Connection) -> list[str]:
    """Return what the table does not show: what was hidden, and what one operation is made of."""
    hidden = sum(visit.target == HEALTH for visit in VISITS)
    operation, requests, calls, lines = store.execute(ORDER).fetchone()
    return [
        f"{hidden} health checks were answered and not recorded: AUTOTRACE_BLACKLIST_PATHS={HEALTH}",
        f"Operation {operation[:8]} is an order: {requests} requests to three services, {calls} calls, "
        f"{lines} log line{'s' * (lines != 1)}.",
    ]


NEXT = """\
The items stayed on this machine. Your own server, and its pages in a browser:

  autotrace run gunicorn shop.wsgi
  autotrace view

To send them to Azure, set the connection string from the overview page of your Application Insights resource:

  export APPLICATIONINSIGHTS_CONNECTION_STRING='InstrumentationKey=...;IngestionEndpoint=https://...'"""
