"""Queries to begin with: what people ask of their telemetry most often."""

from __future__ import annotations

from typing import NamedTuple, Sequence


class Example(NamedTuple):
    """A query and what it answers."""

    title: str
    sql: str


EXAMPLES: Sequence[Example] = (
    Example(
        "Slowest operations",
        """SELECT operation_Name, cloud_RoleName, sum(itemCount) AS requests,
       round(sum(duration * itemCount) / sum(itemCount), 1) AS mean_ms, round(max(duration), 1) AS longest_ms
FROM requests
GROUP BY operation_Name, cloud_RoleName
ORDER BY mean_ms DESC
LIMIT 20""",
    ),
    Example(
        "Failed requests by operation",
        """SELECT operation_Name, resultCode, sum(itemCount) AS failed, max(timestamp) AS last
FROM requests
WHERE NOT success
GROUP BY operation_Name, resultCode
ORDER BY failed DESC""",
    ),
    Example(
        "Exceptions by problem",
        """SELECT problemId, sum(itemCount) AS times, max(timestamp) AS last, outerMessage
FROM exceptions
GROUP BY problemId
ORDER BY times DESC""",
    ),
    Example(
        "Percentiles by operation",
        """-- _bucket says about how long a request took: bucket_ms gives it in milliseconds, within 2.2 %.
WITH counted AS (
  SELECT operation_Name, _bucket, sum(itemCount) AS items FROM requests GROUP BY operation_Name, _bucket
), ranked AS (
  SELECT operation_Name, _bucket, items,
         sum(items) OVER (PARTITION BY operation_Name ORDER BY _bucket) * 1.0
           / sum(items) OVER (PARTITION BY operation_Name) AS share
  FROM counted
)
SELECT operation_Name, sum(items) AS requests,
       round(bucket_ms(min(CASE WHEN share >= 0.50 THEN _bucket END)), 1) AS p50_ms,
       round(bucket_ms(min(CASE WHEN share >= 0.95 THEN _bucket END)), 1) AS p95_ms,
       round(bucket_ms(min(CASE WHEN share >= 0.99 THEN _bucket END)), 1) AS p99_ms
FROM ranked
GROUP BY operation_Name
ORDER BY p95_ms DESC""",
    ),
    Example(
        "Dependencies by target",
        """SELECT type, target, sum(itemCount) AS calls,
       round(sum(duration * itemCount) / sum(itemCount), 2) AS mean_ms,
       round(100.0 * sum(itemCount * (NOT success)) / sum(itemCount), 2) AS failed_percent
FROM dependencies
GROUP BY type, target
ORDER BY calls DESC""",
    ),
    Example(
        "Logs of the last failed request",
        """SELECT timestamp, cloud_RoleName, severityLevel, message, operation_Id
FROM traces
WHERE operation_Id = (SELECT operation_Id FROM requests WHERE NOT success ORDER BY _time DESC LIMIT 1)
ORDER BY timestamp""",
    ),
    Example(
        "Requests per minute",
        """SELECT substr(timestamp, 1, 16) AS minute, sum(itemCount) AS requests,
       sum(itemCount * (NOT success)) AS failed
FROM requests
GROUP BY minute
ORDER BY minute DESC""",
    ),
    Example(
        "By custom dimension",
        """SELECT json_extract(customDimensions, '$."process.pid"') AS process, sum(itemCount) AS requests
FROM requests
GROUP BY process
ORDER BY requests DESC""",
    ),
    Example(
        "What sampling left out",
        """-- An item that was sampled stands for itemCount like it: count with sum(itemCount), never with count(*).
SELECT 'requests' AS items, count(*) AS stored, sum(itemCount) AS happened FROM requests
UNION ALL SELECT 'dependencies', count(*), sum(itemCount) FROM dependencies
UNION ALL SELECT 'exceptions', count(*), sum(itemCount) FROM exceptions
UNION ALL SELECT 'traces', count(*), sum(itemCount) FROM traces""",
    ),
)
