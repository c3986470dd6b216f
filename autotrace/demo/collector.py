"""A tiny ingestion endpoint on loopback: what the servers of the demonstration send, kept in a list."""

from __future__ import annotations

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Dict

KEY = "00000000-0000-0000-0000-000000000000"
Item = Dict[str, Any]


# Not an HTTPServer, which asks the name service for this machine's name and may wait for it.
class Collector(ThreadingTCPServer):
    """The endpoint; `items` are in order of arrival. It listens from its making until `close`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Track)
        self.items: list[Item] = []
        self.arrival = threading.Condition()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def connection_string(self) -> str:
        """The connection string of this endpoint."""
        return f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{self.server_address[1]}"

    def keep(self, items: list[Item]) -> None:
        """Add items that arrived."""
        with self.arrival:
            self.items += items
            self.arrival.notify_all()

    def wait(self, count: int, seconds: float) -> None:
        """Wait until `count` items are there, at most `seconds`."""
        end = time.monotonic() + seconds
        with self.arrival:
            while len(self.items) < count and time.monotonic() < end:
                self.arrival.wait(max(end - time.monotonic(), 0.01))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a sender that went away: the standard library would print a traceback."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class Track(BaseHTTPRequestHandler):
    """Answers posts as the service does."""

    protocol_version = "HTTP/1.1"
    server: Collector

    def do_POST(self) -> None:
        """Keep the items of a body: one item a line, compressed with gzip."""
        lines = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).splitlines()
        items = [json.loads(line) for line in lines]
        self.server.keep(items)
        answer = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the standard library would write a line a post on stderr."""
