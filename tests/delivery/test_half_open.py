"""Connections to the viewer that say nothing keep others out for half a minute at most."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time

import pytest

from tests.local.viewing import view

pytestmark = pytest.mark.delivery
# More than the viewer serves at once.
COUNT = 600


def test_silent_connections_make_room(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as viewer, contextlib.ExitStack() as silent:
        for _ in range(COUNT):
            half_open = silent.enter_context(socket.create_connection(("127.0.0.1", viewer.port), timeout=60))
            half_open.sendall(b"GET / HTTP/1.1\r\nHost:")
        time.sleep(1)
        # It waits for a minute.
        assert viewer.ask("GET", "/").status == 200
