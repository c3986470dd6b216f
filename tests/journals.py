"""Journals for tests: wire lines of valid items, and spools that are emptied to an endpoint."""

from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import pytest

from autotrace import directories, guard, sender, spool
from autotrace.sender import Journal
from autotrace.transport import Transport
from tests.endpoint import Endpoint
from tests.recordings import KEY

LIMIT = 50 << 20


def line(number: int, text: str = "-", times: int = 1) -> bytes:
    """Return the wire line of a valid item that says `text` so many times."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    texts = {f"text {place}": text for place in range(times)}
    item = {
        "ver": 1, "name": "Microsoft.ApplicationInsights.Request", "time": when, "iKey": KEY,
        "tags": {"ai.operation.id": f"{number + 1:032x}", "ai.operation.name": "GET /"},
        "data": {"baseType": "RequestData", "baseData": {
            "ver": 2, "id": f"{number + 1:016x}", "name": "GET /", "duration": "0.00:00:00.0010000",
            "responseCode": "200", "success": True, "url": "http://shop.test/", "properties": texts,
        }},
    }  # fmt: skip
    return json.dumps(item).encode() + b"\n"


def numbers(items: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the lines that items came from."""
    return [int(item["data"]["baseData"]["id"], 16) - 1 for item in items]


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the senders of this process be quick, and say everything anew."""
    monkeypatch.setattr(sender, "INTERVAL", 0.02)
    monkeypatch.setattr(sender, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(guard, "_said", set())
    monkeypatch.setattr(guard, "_losses", {})


def make_journal(folder: pathlib.Path, endpoint: Endpoint, limit: int = LIMIT) -> Journal:
    """Open a journal in a folder as the azure exporter does."""
    base = directories.private_directory(str(folder))
    return journal_of(spool.open_spool(base, "destination", limit), endpoint)


def journal_of(lines: spool.Spool, endpoint: Endpoint) -> Journal:
    """Have a spool emptied to the endpoint."""
    return Journal(lines, Transport(endpoint.url.rstrip("/")))


def segments(folder: pathlib.Path) -> list[pathlib.Path]:
    """List the files of a spool."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def stored(folder: pathlib.Path) -> int:
    """Count the lines that a spool holds, delivered or not."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in segments(folder))


def unsent(folder: pathlib.Path) -> int:
    """Count the lines that a spool holds and that were not delivered."""
    count = 0
    for path in segments(folder):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            # It was delivered in between.
            continue
        count += content[int(content[:15] or 0) :].count(b"\n")
    return count


def wait_until_sent(folder: pathlib.Path, seconds: float = 60.0) -> bool:
    """Wait until a spool holds nothing that was not delivered; False when `seconds` passed first."""
    end = time.monotonic() + seconds
    while unsent(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
