"""Moments and lengths of time as the service and OpenCensus write them."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def timestamp(nanoseconds: int) -> str:
    """Return a wall-clock time, in nanoseconds since the epoch, in ISO 8601: UTC, microseconds, `Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


def duration(nanoseconds: int) -> str:
    """Return a length of time, in nanoseconds, as `d.hh:mm:ss.fffffff`; never zero, negative or over the limit."""
    seconds, ticks = divmod(max(nanoseconds // 100, 1), 10_000_000)
    if seconds < 60:
        return f"0.00:00:{seconds:02d}.{ticks:07d}"
    minutes, seconds = divmod(min(seconds, 999 * 86_400), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02d}:{minutes:02d}:{seconds:02d}.{ticks:07d}"


def parse(moment: str) -> datetime:
    """Return a time that `timestamp` or OpenCensus wrote; TypeError or ValueError for anything else."""
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
