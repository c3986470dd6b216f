"""The ingestion endpoint: items that any Application Insights SDK posts, judged and answered as the service does."""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from typing import Any, BinaryIO, Iterable, Iterator, NamedTuple, NoReturn, Tuple

from .. import guard
from . import rows, rules
from .place import StoreError
from .store import Row, Store

# Path → whether what is posted there is kept.
PATHS = {"/v2/track": True, "/v2.1/track": True, "/v2/validate": False, "/v2.1/validate": False}
# Bytes of a body as it comes, and once it is decompressed; items in one.
LARGEST_BODY = 32 << 20
LARGEST_TEXT = 64 << 20
MOST_ITEMS = 64_000
# Seconds that a post waits for other writers of the store, and that a client should then wait.
PATIENCE = 5.0
RETRY_AFTER = 5

_GZIP_OR_ZLIB, _DEFLATE = 47, -15
# What is wrong with the items of a body, told by `/v2/validate`; beyond it only the first thing of each is.
MOST_FAULTS = 1000
# Compressed bodies, one behind the other, that count as one.
_MOST_MEMBERS = 16
_blank = re.compile(r"[ \t\r\n]*").match


class RefusedError(Exception):
    """A body that is not looked at any further; `status` is that of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Answer(NamedTuple):
    """What a post is answered: a status, and an object that is sent as JSON."""

    status: int
    body: dict[str, Any]


class Broken(NamedTuple):
    """A line that is no JSON."""

    reason: str


# An item with the bytes that it took, or with where it begins and ends.
Entry = Tuple[Any, int]
Place = Tuple[Any, int, int]
# The index of an item, a status and a message.
Fault = Tuple[int, int, str]


class Ingestion:
    """Writes posted items to a store. Any thread may call it: posts are worked on one after the other.

    That bounds the memory of large ones, and two would not be faster: Python runs one of them at a time anyway.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()

    def prepare(self) -> str:
        """Make the store where it is missing, and return the path of its file; StoreError when it cannot be used."""
        with self._turn:
            return self._store.prepare(PATIENCE)

    def receive(self, body: BinaryIO, encoding: str, *, keep: bool) -> Answer:
        """Take the items of a body with a Content-Encoding; without `keep` they are only judged."""
        with self._turn:
            try:
                entries = items_of(decoded(body.read(LARGEST_BODY + 1), encoding))
                return self._track(entries) if keep else _validate(entries)
            except RefusedError as refused:
                return _answer(0, 0, [(0, refused.status, str(refused))], refused.status)

    def _track(self, entries: Iterable[Entry]) -> Answer:
        now = int(time.time() * 1_000_000)
        received = 0
        found: list[Row] = []
        errors: list[Fault] = []
        for received, (item, size) in enumerate(entries, 1):
            wrong = _judge(item, size, now)
            if not wrong:
                try:
                    found.append(rows.row_of(item))
                except rows.NO_ITEM as error:
                    # Such as JSON so deep that Python reads it, but does not write it.
                    wrong = [f"The item cannot be kept: {type(error).__name__}"]
            if wrong:
                errors.append((received - 1, 400, wrong[0]))
        try:
            if found:
                self._store.write(found, PATIENCE)
        except StoreError as error:
            guard.warn(f"store {error}", f"posted telemetry is not stored: {error}")
            return _answer(received, 0, [(0, 503, f"The store cannot be written: {error}")], 503)
        return _answer(received, len(found), errors)

    def close(self) -> None:
        """Close the store once the present post is done, or at once if that takes too long."""
        taken = self._turn.acquire(timeout=PATIENCE)
        self._store.close()
        if taken:
            self._turn.release()


def decoded(body: bytes, encoding: str) -> str:
    """Return the text of a body that has a Content-Encoding; RefusedError for one that cannot be read."""
    if len(body) > LARGEST_BODY:
        raise RefusedError(413, f"The body must not exceed {LARGEST_BODY} bytes")
    encoding = encoding.strip().lower()
    if body and encoding in ("gzip", "x-gzip", "deflate"):
        body = _decompressed(body)
    elif encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise RefusedError(415, "The encoding of the body is not known: gzip and deflate are")
    if len(body) > LARGEST_TEXT:
        raise RefusedError(413, f"The body must not exceed {LARGEST_TEXT} bytes once it is decompressed")
    if not body.strip():
        raise RefusedError(400, "The body is empty")
    # A byte that is no UTF-8 costs a character, not the items.
    return body.decode("utf-8-sig", "replace")


def _decompressed(body: bytes) -> bytes:
    """Return what is compressed, or a little more than the limit of it: a small body can hold gigabytes."""
    # Some clients mean by deflate what has no header.
    has_header = body[:2] == b"\x1f\x8b" or (body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0)
    parts, length = [], 0
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP_OR_ZLIB if has_header else _DEFLATE)
        try:
            part = member.decompress(body, LARGEST_TEXT + 1 - length)
        except zlib.error as error:
            raise RefusedError(400, f"The body cannot be decompressed: {error}") from None
        parts.append(part)
        length += len(part)
        body = member.unused_data.lstrip(b"\0")
        if length > LARGEST_TEXT or (member.eof and not body):
            return b"".join(parts)
        if not member.eof:
            raise RefusedError(400, "The body cannot be decompressed: its end is missing")
    raise RefusedError(400, f"The body cannot be decompressed: it has more than {_MOST_MEMBERS} parts")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


_decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode


def items_of(text: str) -> Iterator[Entry]:
    """Yield the items of an array, of one object, or of a stream with one a line; RefusedError for another text."""
    plain = text.isascii()
    start = _skip(text, 0)
    found = _array(text, start + 1) if text[start : start + 1] == "[" else _stream(text, start)
    for count, (item, start, end) in enumerate(found, 1):
        if count > MOST_ITEMS:
            raise RefusedError(413, f"The body must not hold more than {MOST_ITEMS} items")
        yield item, end - start if plain else len(text[start:end].encode("utf-8"))


def _array(text: str, position: int) -> Iterator[Place]:
    """Yield the items behind the bracket that opens an array, each with its place."""
    position = _skip(text, position)
    mark = text[position : position + 1]
    while mark != "]":
        item, end = _item(text, position)
        yield item, position, end
        position = _skip(text, end)
        mark = text[position : position + 1]
        if mark == ",":
            position = _skip(text, position + 1)
        elif mark != "]":
            raise RefusedError(400, f"The body is no JSON: the array of items breaks off at character {position}")
    if _skip(text, position + 1) != len(text):
        raise RefusedError(400, "The body is no JSON: something follows the array of items")


def _stream(text: str, position: int) -> Iterator[Place]:
    """Yield the objects of a stream, each with its place; a line that is none costs the others nothing."""
    nothing = RefusedError(400, "The body is no JSON")
    try:
        item, end = _item(text, position)
        if _skip(text, end) == len(text):
            # One object may take several lines.
            yield item, position, end
            return
    except RefusedError as refused:
        nothing = refused
    good = False
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].rstrip()
        item = _line(line)
        good = good or not isinstance(item, Broken)
        yield item, position, position + len(line)
        position = _skip(text, end)
    if not good:
        raise nothing


def _line(line: str) -> Any:
    try:
        item, length = _item(line, 0)
    except RefusedError as refused:
        return Broken(str(refused))
    return item if length == len(line) else Broken(f"The line is no JSON: something follows at character {length}")


def _skip(text: str, position: int) -> int:
    """Return where the next character is that is no white space."""
    match = _blank(text, position)
    return position if match is None else match.end()


def _item(text: str, position: int) -> tuple[Any, int]:
    try:
        return _decode(text, position)
    except ValueError as error:
        raise RefusedError(400, f"The body is no JSON: {error}") from None
    except RecursionError:
        raise RefusedError(400, "The body is no JSON that can be read: it is too deep") from None


def _judge(item: Any, size: int, now: int) -> list[str]:
    return [item.reason] if isinstance(item, Broken) else rules.faults(item, size, now)


def _validate(entries: Iterable[Entry]) -> Answer:
    """Answer all that is wrong with items, and what would be left out of them, up to MOST_FAULTS."""
    now = int(time.time() * 1_000_000)
    received = accepted = 0
    errors: list[Fault] = []
    warnings: list[dict[str, Any]] = []
    for received, (item, size) in enumerate(entries, 1):
        wrong = _judge(item, size, now)
        accepted += not wrong
        told = max(MOST_FAULTS - len(errors), 1)
        errors += [(received - 1, 400, text) for text in wrong[:told]]
        if len(warnings) < MOST_FAULTS and size <= rules.ITEM_BYTES:
            warnings += [{"index": received - 1, "message": text} for text in rules.unknown(item)]
    answer = _answer(received, accepted, errors)
    if warnings:
        answer.body["warnings"] = warnings[:MOST_FAULTS]
    return answer


def _answer(received: int, accepted: int, errors: list[Fault], status: int | None = None) -> Answer:
    """Return the answer to a body; its status follows from the errors where none is given."""
    listed = [{"index": index, "statusCode": code, "message": text} for index, code, text in errors]
    implied = 200 if not errors else 206 if accepted else errors[0][1]
    body = {"itemsReceived": received, "itemsAccepted": accepted, "errors": listed}
    return Answer(status or implied, body)
