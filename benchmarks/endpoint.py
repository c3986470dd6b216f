"""An endpoint for all peers: `python -m benchmarks.endpoint` prints its port and serves until stdin ends.

It takes any request, with and without TLS, answers as the peer's own service does, and counts items by key and id.
`GET /count/KEY?items=N&seconds=S` answers as soon as N items of a key have arrived, or after S seconds.
"""

from __future__ import annotations

import argparse
import collections
import json
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Sequence
from urllib.parse import parse_qsl, urlsplit

from benchmarks.protocols import Item, Received, receive

HANDSHAKE = b"\x16"
arrived: dict[str, collections.Counter[object]] = collections.defaultdict(collections.Counter)
changed = threading.Condition()


def keep(items: Sequence[Item]) -> None:
    """Count items."""
    with changed:
        for key, item in items:
            arrived[key][item] += 1
        changed.notify_all()


def count(key: str, items: int, seconds: float) -> dict[str, int]:
    """Wait for `items` different items of a key; return how many there are, and how many came again."""
    with changed:
        changed.wait_for(lambda: len(arrived[key]) >= items, seconds)
        return {"items": len(arrived[key]), "again": sum(arrived[key].values()) - len(arrived[key])}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        received = self.understand()
        keep(received.items)
        time.sleep(self.server.delay)
        self.reply(received)

    def do_PUT(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/count/"):
            query = dict(parse_qsl(parts.query))
            counted = count(parts.path[7:], int(query.get("items", "0")), float(query.get("seconds", "0")))
            self.reply(Received(body=counted))
        else:
            self.reply(self.understand())

    def understand(self) -> Received:
        """Read the body and find out what it is."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        return receive(parts.path, dict(parse_qsl(parts.query)), self.headers.get("Content-Encoding", ""), body)

    def reply(self, received: Received) -> None:
        """Send an answer in one piece."""
        body = received.body if isinstance(received.body, bytes) else json.dumps(received.body).encode()
        self.send_response(received.status)
        self.send_header("Content-Type", received.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The listening socket; a post is answered `delay` seconds late, `tls` is for those who insist on it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, delay: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.delay = delay
        self.tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, encrypted when its first byte asks for it."""
        if self.tls is not None and request.recv(1, socket.MSG_PEEK) == HANDSHAKE:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


def main() -> None:
    """Serve on a free port of 127.0.0.1 until the parent goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--certificate")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    server = Server(options.delay, tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()


if __name__ == "__main__":
    main()
