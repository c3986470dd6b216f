"""A process that is killed while its items are under way: the endpoint takes them, and nobody sends them again."""

from __future__ import annotations

import pathlib
import signal
import threading
import time
from typing import Any

import pytest

from autotrace import segments
from tests.delivery.loads import PROBE, answer, arrivals, flush
from tests.delivery.table import CASES
from tests.endpoint import Endpoint
from tests.harness import APPS, Server, serve, wait_until

pytestmark = pytest.mark.delivery
COUNT = 20
WAITRESS = CASES["waitress"]


def kill(server: Server) -> None:
    """Kill a server, and no other process."""
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()


@pytest.mark.parametrize("turn", range(3))
def test_what_the_endpoint_is_taking_is_not_sent_again(turn: int, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    under_way = threading.Event()

    def judge(item: dict[str, Any]) -> None:
        under_way.set()
        time.sleep(0.01)

    endpoint.judge = judge
    with serve(WAITRESS.command, tmp_path, endpoint, {}, True, APPS, PROBE) as server:
        sent = answer(server.port, 0, COUNT)
        assert under_way.wait(10)
        kill(server)
    # The endpoint goes on with what it has.
    assert endpoint.wait_for_posts(1)
    flush(tmp_path, endpoint)
    assert set(arrivals(endpoint)) == sent
    assert max(endpoint.counts().values()) == 1


def test_what_a_hanging_endpoint_does_not_take_is_sent_again(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.hang()
    with serve(WAITRESS.command, tmp_path, endpoint, {}, True, APPS, PROBE) as server:
        sent = answer(server.port, 0, COUNT)
        assert endpoint.wait_for_posts(1)
        (folder,) = (tmp_path / "spool").iterdir()
        wait_until(lambda: segments.survey(str(folder)) == (0, COUNT))
        kill(server)
    endpoint.heal()
    flush(tmp_path, endpoint)
    assert set(arrivals(endpoint)) == sent
    assert max(endpoint.counts().values()) == 1
