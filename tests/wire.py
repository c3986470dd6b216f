"""How telemetry items are read from the body of a request to an ingestion endpoint: strict JSON only."""

from __future__ import annotations

import gzip
import json
from typing import Any, Iterator

STREAMS = ("application/x-json-stream", "x-json-stream")


def read_items(body: bytes, headers: dict[str, str]) -> Iterator[tuple[Any, int]]:
    """Yield each item of a body and the bytes it took; ValueError when it is no strict JSON in UTF-8."""
    if headers.get("content-encoding", "") == "gzip":
        body = gzip.decompress(body)
    text = body.decode("utf-8")
    decoder = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=unique_keys)
    if headers.get("content-type", "").partition(";")[0].strip().lower() in STREAMS:
        for line in filter(str.strip, text.split("\n")):
            yield measured(decoder.decode(line), line)
        return
    whole = decoder.decode(text)
    if not isinstance(whole, list):
        yield measured(whole, text.strip())
        return
    position = text.index("[") + 1
    for _ in whole:
        start = position + len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        item, position = decoder.raw_decode(text, start)
        yield measured(item, text[start:position])


def measured(item: Any, text: str) -> tuple[Any, int]:
    """Return an item and its size; ValueError when a string in it is no Unicode text (a lone surrogate)."""
    try:
        json.dumps(item, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"a string is no Unicode text: {error.reason}") from None
    return item, len(text.encode("utf-8"))


def refuse_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{name} is not JSON")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that comes twice."""
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("an object has a key twice")
    return built
