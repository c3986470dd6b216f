"""A server in front of an ingestion endpoint: it passes posts on, and keeps what was sent and what was answered."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.wire import read_items

# They are about one connection.
_HOP = ("connection", "content-length", "transfer-encoding", "date", "server")


class Post(NamedTuple):
    """What was posted, and the answer to it."""

    path: str
    items: list[dict[str, Any]]
    status: int
    answer: dict[str, Any]


class Relay:
    """Passes on to a port of 127.0.0.1; `posts` are those so far, `strays` all other requests."""

    def __init__(self, onward: int) -> None:
        self.onward = onward
        self.posts: list[Post] = []
        self.strays: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Relay:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"relay": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self.server.server_address[1]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection to the relay."""

    protocol_version = "HTTP/1.1"
    relay: Relay

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        onward = HTTPConnection("127.0.0.1", self.relay.onward, timeout=30)
        onward.request("POST", self.path, body, headers)
        answer = onward.getresponse()
        content = answer.read()
        onward.close()
        items = [item for item, _ in read_items(body, {name.lower(): value for name, value in headers.items()})]
        self.relay.posts.append(Post(self.path, items, answer.status, json.loads(content)))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.relay.strays.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
