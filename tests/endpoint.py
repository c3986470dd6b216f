"""An Application Insights endpoint on loopback that keeps what it gets and answers as the service does."""

from __future__ import annotations

import collections
import json
import socket
import socketserver
import ssl
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from tests import schema
from tests.trouble import Trouble, break_off, reset
from tests.wire import read_items

PATHS = ("/v2/track", "/v2.1/track")
Item = Dict[str, Any]
Verdict = Optional[Tuple[int, str]]


class Post(NamedTuple):
    """One request as it arrived: `size` in bytes as sent, `connection` numbers TCP connections from 1."""

    path: str
    headers: dict[str, str]
    size: int
    connection: int
    when: float
    status: int
    items: list[Item]


class Invalid(NamedTuple):
    """An item that is not as it should be, and all that is wrong with it."""

    item: Any
    faults: list[schema.Fault]


class Endpoint:
    """The endpoint: start it with `with Endpoint() as endpoint`; give `connection_string` to the product.

    `items` are the accepted ones in order of arrival, `invalid` those with faults (see schema.py), `posts`
    all requests. `judge` may refuse an item: it gets the item and returns a status and a message, or None.
    `token`, when set, is the bearer token without which it answers 401; with `tls` it speaks https.
    """

    def __init__(self, key: str = "00000000-1111-2222-3333-444444444444", tls: ssl.SSLContext | None = None) -> None:
        self.key = key
        self.tls = tls
        self.token: str | None = None
        self.items: list[Item] = []
        self.invalid: list[Invalid] = []
        self.posts: list[Post] = []
        self.judge: Callable[[Item], Verdict] = lambda item: None
        self.trouble: Trouble | None = None
        self.changed = threading.Condition()
        self.released = threading.Event()
        # What is accepted is answered too, before the endpoint goes.
        self.answering = threading.RLock()
        self.connections = 0
        self.port = 0
        self._server: Listener | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}/"

    @property
    def connection_string(self) -> str:
        return f"InstrumentationKey={self.key};IngestionEndpoint={self.url}"

    def __enter__(self) -> Endpoint:
        self.accept()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.heal()
        self.refuse()

    def accept(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._server is None:
            self._server = Listener(self, self.port)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def refuse(self) -> None:
        """Stop listening and close every connection: clients are refused until `accept`."""
        if self._server is not None:
            self._server.shutdown()
            with self.answering:
                self._server.server_close()
            self._server = None

    def fail(self, status: int, retry_after: str | None = None, times: int = 0, **headers: str) -> None:
        """Answer the next `times` requests (0: all until `heal`) with `status`; store nothing."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if retry_after is not None:
            named["Retry-After"] = retry_after
        self.trouble = Trouble(status, named, times=times)

    def hang(self) -> None:
        """Take requests and answer none of them until `heal`, nor those ever."""
        self.trouble = Trouble(0)

    def delay(self, seconds: float) -> None:
        """Answer as usual, `seconds` late, until `heal`."""
        self.trouble = Trouble(delay=seconds)

    def garble(self, raw: bytes) -> None:
        """Take requests and answer each with bytes that are no HTTP, until `heal`; store nothing."""
        self.trouble = Trouble(0, raw=raw)

    def cut(self, what: str) -> None:
        """Reset connections in the middle of the "request", or of the "answer" to what was accepted, until `heal`."""
        self.trouble = Trouble(cut=what)

    def heal(self) -> None:
        """Answer as the service does again."""
        self.trouble = None
        self.released.set()
        self.released = threading.Event()

    def take_trouble(self) -> Trouble | None:
        """Return how to misbehave this time, and count it."""
        with self.changed:
            trouble = self.trouble
            if trouble is not None and trouble.times:
                self.trouble = None if trouble.times == 1 else trouble._replace(times=trouble.times - 1)
            return trouble

    def wait_for(self, count: int, seconds: float = 10.0) -> bool:
        """Wait until `count` items were accepted; False when `seconds` passed first."""
        return self.wait_until(lambda: len(self.items) >= count, seconds)

    def wait_for_posts(self, count: int, seconds: float = 10.0) -> bool:
        """Wait until `count` requests arrived, whatever the answer; False when `seconds` passed first."""
        return self.wait_until(lambda: len(self.posts) >= count, seconds)

    def wait_until(self, met: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait until a condition on what was received is met; False when `seconds` passed first."""
        with self.changed:
            return self.changed.wait_for(met, seconds)

    def requests(self) -> list[Item]:
        """Return the accepted request items."""
        return [item for item in list(self.items) if item["data"]["baseType"] == "RequestData"]

    def counts(self) -> collections.Counter[tuple[str, str]]:
        """Count the accepted items by type and id; items without an id count by their whole content."""
        return collections.Counter(map(identity, list(self.items)))

    def clear(self) -> None:
        """Forget what was received so far."""
        with self.changed:
            self.items, self.invalid, self.posts = [], [], []

    def receive(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any], list[Item]]:
        """Judge one body as the service does; return status, answer and accepted items."""
        try:
            entries = list(read_items(body, headers))
        except (ValueError, OSError, EOFError, zlib.error, RecursionError) as error:
            with self.changed:
                self.invalid.append(Invalid(body[:1000], [schema.Fault(400, f"no strict JSON: {error}")]))
            return 400, answer(0, [(0, 400, f"Invalid JSON: {error}")]), []
        accepted: list[Item] = []
        errors: list[tuple[int, int, str]] = []
        for index, (item, size) in enumerate(entries):
            verdict = self.verdict(item, size)
            if verdict is None:
                accepted.append(item)
            else:
                errors.append((index, *verdict))
        status = 200 if not errors else 206 if accepted else errors[0][1]
        return status, answer(len(entries), errors), accepted

    def verdict(self, item: Any, size: int) -> Verdict:
        """Return None to accept an item, else status and message; faults of either sort are recorded."""
        found = schema.faults(item, size)
        if isinstance(item, dict) and str(item.get("iKey", "")).lower() != self.key.lower():
            found.append(schema.Fault(400, "Invalid instrumentation key"))
        if found:
            with self.changed:
                self.invalid.append(Invalid(item, found))
        for fault in found:
            if fault.code:
                prefix = "" if fault.code == 400 else f"{fault.code}: "
                return 400, prefix + fault.text
        return self.judge(item)

    def record(self, post: Post) -> None:
        """Keep a request that was answered, and tell those who wait."""
        with self.changed:
            self.posts.append(post)
            self.items.extend(post.items)
            self.changed.notify_all()


class Listener(socketserver.ThreadingMixIn, HTTPServer):
    """The socket of an endpoint; closing it closes the connections too."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint, port: int) -> None:
        self.endpoint = endpoint
        self.open: set[socket.socket] = set()
        self.closed = False
        super().__init__(("127.0.0.1", port), Handler)
        if endpoint.tls is not None:
            self.socket = endpoint.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        self.closed = True
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client went, which it may at any time."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection to the endpoint."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def setup(self) -> None:
        super().setup()
        endpoint = self.server.endpoint
        with endpoint.changed:
            endpoint.connections += 1
            self.number = endpoint.connections

    def do_POST(self) -> None:
        endpoint = self.server.endpoint
        headers = {name.lower(): value for name, value in self.headers.items()}
        released, trouble = endpoint.released, endpoint.take_trouble()
        length = int(headers.get("content-length", "0"))
        if trouble is not None and trouble.cut == "request":
            self.rfile.read(length // 2)
            reset(self)
            return
        body = self.rfile.read(length)
        status, reply, items = 404, answer(0, []), []
        extra: dict[str, str] = {}
        if trouble is not None and trouble.delay:
            time.sleep(trouble.delay)
        if trouble is not None and trouble.status != 200:
            status, extra = trouble.status, trouble.headers
        elif endpoint.token is not None and headers.get("authorization") != f"Bearer {endpoint.token}":
            status = 401
        elif self.path in PATHS:
            status, reply, items = endpoint.receive(body, headers)
        with endpoint.answering:
            if self.server.closed:
                self.close_connection = True
                return
            endpoint.record(Post(self.path, headers, len(body), self.number, time.monotonic(), status, items))
            if trouble is not None and (trouble.raw is not None or trouble.cut):
                break_off(self, trouble, status, json.dumps(reply).encode())
            elif status:
                self.reply(status, json.dumps(reply).encode(), extra)
        if status == 0:
            released.wait(0.0 if self.close_connection else None)
            self.close_connection = True

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send an answer, in one piece."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def answer(received: int, errors: list[tuple[int, int, str]]) -> dict[str, Any]:
    """Build the body of an answer from (index, status, message) of each refused item."""
    listed = [{"index": index, "statusCode": status, "message": message} for index, status, message in errors]
    return {"itemsReceived": received, "itemsAccepted": max(received - len(errors), 0), "errors": listed}


def identity(item: Item) -> tuple[str, str]:
    """Name an item by its type and its id, or its whole content where it has no id."""
    data = item["data"]
    return data["baseType"], data["baseData"].get("id") or json.dumps(item, sort_keys=True)
