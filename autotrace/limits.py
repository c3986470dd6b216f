"""The limits of a telemetry item, and how a text is made to fit one.

They are those of the Application Insights ingestion endpoint (envelope version 1, data version 2), in characters but
for the whole item's, which is in bytes. The service rejects an item over a limit, it does not cut.
"""

from __future__ import annotations

NAME_LIMIT = 1024
AGENT_LIMIT = 2048
KEY_LIMIT = 150
VALUE_LIMIT = 8192
DATA_LIMIT = 8192
MESSAGE_LIMIT = 32_768
ITEM_LIMIT = 65_536


def clean(value: str, limit: int) -> str:
    """Cut `value` to `limit` characters; lone surrogates, which no UTF-8 has, become `?`."""
    value = value[:limit]
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
