"""A forward proxy on loopback: tunnels (CONNECT) and whole URLs, with or without a user name and a password."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class ForwardProxy:
    """Whatever host is asked for, it goes to the same port of this machine: names need no look-up.

    `asked` are the targets of the requests so far, as they were written. `user` is `name:password`, None for
    everybody. With a `status` it answers that to everything; what comes during `hang` is never answered.
    """

    def __init__(self, user: str | None = None) -> None:
        self.asked: list[str] = []
        self.user = user
        self.status = 0
        self.released = threading.Event()
        self.released.set()

    def __enter__(self) -> ForwardProxy:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self.server.server_address[1]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def hang(self) -> None:
        """Take requests and answer none of them until the end."""
        self.released.clear()

    def refusal(self, authorization: str | None) -> int:
        """Return the status that a request is turned down with, 0 for none."""
        if self.user is not None and authorization != "Basic " + b64encode(self.user.encode()).decode():
            return 407
        return self.status


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    proxy: ForwardProxy

    def is_let_through(self) -> bool:
        """Note the request, and turn it down where that is wanted."""
        self.proxy.asked.append(self.path)
        if not self.proxy.released.is_set():
            self.proxy.released.wait()
            self.close_connection = True
            return False
        status = self.proxy.refusal(self.headers["Proxy-Authorization"])
        if status:
            self.close_connection = True
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return not status

    def do_CONNECT(self) -> None:
        if not self.is_let_through():
            return
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as onward:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(onward, self.connection), daemon=True)
            back.start()
            pump(self.connection, onward)
            back.join()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_let_through():
            return
        parts = urlsplit(self.path)
        onward = HTTPConnection("127.0.0.1", parts.port)
        hidden = ("proxy-authorization", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hidden}
        onward.request("POST", parts.path, body, headers)
        answer = onward.getresponse()
        content = answer.read()
        onward.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until one side ends."""
    try:
        while True:
            data = source.recv(65_536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side is gone: nothing is left to pass on.
        return
