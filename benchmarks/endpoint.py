"""An ingestion endpoint: `python endpoint.py` prints its port and serves until stdin ends.

It takes any POST, answers as the ingestion service does, and counts items by instrumentation key and id.
`GET /count/KEY?items=N&seconds=S` answers as soon as N items of a key have arrived, or after S seconds.
"""

from __future__ import annotations

import collections
import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

arrived: dict[str, collections.Counter[tuple[str, str]]] = collections.defaultdict(collections.Counter)
changed = threading.Condition()


def read_items(body: bytes, encoding: str) -> list[Any]:
    """Return the items of a body: a JSON array, or one object a line."""
    text = (gzip.decompress(body) if encoding == "gzip" else body).strip()
    if text.startswith(b"["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines()]


def receive(items: list[Any]) -> dict[str, Any]:
    """Count the items and return the service's answer."""
    with changed:
        for item in items:
            data = item["data"]
            arrived[item["iKey"].lower()][data["baseType"], str(data["baseData"].get("id"))] += 1
        changed.notify_all()
    return {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}


def count(key: str, items: int, seconds: float) -> dict[str, int]:
    """Wait for `items` different items of a key; return how many there are, and how many came again."""
    with changed:
        changed.wait_for(lambda: len(arrived[key]) >= items, seconds)
        return {"items": len(arrived[key]), "again": sum(arrived[key].values()) - len(arrived[key])}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        items = read_items(body, self.headers.get("Content-Encoding", "")) if "/track" in self.path else []
        self.reply(receive(items))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = parts.path.rpartition("/")[2]
        self.reply(count(key, int(query.get("items", "0")), float(query.get("seconds", "0"))))

    def reply(self, answer: dict[str, Any]) -> None:
        """Send an answer in one piece."""
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The listening socket."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve on a free port of 127.0.0.1 until the parent goes."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()


if __name__ == "__main__":
    main()
