"""What an endpoint may do in place of an answer: see the methods of tests.endpoint.Endpoint that tell it to."""

from __future__ import annotations

import socket
import struct
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple


class Trouble(NamedTuple):
    """How the endpoint misbehaves: it answers `status` (0: none), `delay` s late, `times` times (0: all).

    `raw` is sent in place of an answer. `cut` resets the connection in the middle of the "request" or the "answer".
    """

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 (nobody changes it)
    delay: float = 0.0
    times: int = 0
    raw: bytes | None = None
    cut: str = ""


def break_off(handler: BaseHTTPRequestHandler, trouble: Trouble, status: int, body: bytes) -> None:
    """Answer with bytes that are no HTTP, or with half an answer and a reset."""
    handler.close_connection = True
    if trouble.raw is not None:
        handler.wfile.write(trouble.raw)
        return
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    handler.wfile.write(head.encode() + body[: len(body) // 2])
    reset(handler)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """End the connection with a TCP reset, once the handler lets go of it."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
