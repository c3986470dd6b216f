"""Under every server: what was answered arrives once, and the server ends as it does without us."""

from __future__ import annotations

import os
import pathlib
import time
from typing import NamedTuple

import pytest

from tests.delivery.conftest import Row
from tests.delivery.loads import PROBE, answer, arrivals, flush, wait_until_idle
from tests.delivery.table import CASES, Case
from tests.endpoint import Endpoint
from tests.harness import APPS, STOP, Server, serve, wait_until
from tests.needs import need

pytestmark = pytest.mark.delivery
COUNT = 100
# Seconds that the end of a server may take longer with us.
LONGER = 2.0


class End(NamedTuple):
    """How a server ended: its exit code, and after how many seconds."""

    code: int
    seconds: float


def end(server: Server, case: Case) -> End:
    """End a server as its row says."""
    began = time.monotonic()
    if case.group:
        os.killpg(server.process.pid, case.end)
        code = server.process.wait(STOP)
    else:
        code = server.stop(case.end)
    return End(code, time.monotonic() - began)


@pytest.mark.parametrize("name", CASES)
def test_what_was_answered_arrives_once(name: str, tmp_path: pathlib.Path, endpoint: Endpoint, rows: list[Row]) -> None:
    case = CASES[name]
    for path in case.needs:
        need(path.exists(), f"{path.name} is not installed")
    ends: list[End] = []
    for traced in (False, True):
        with serve(case.command, tmp_path / str(traced), endpoint, case.env, traced, APPS, PROBE) as server:
            wait_until(lambda: server.stderr().count(case.ready) >= case.workers)
            sent = answer(server.port, 0, COUNT, keep=case.keep)
            wait_until_idle(server.port)
            ends.append(end(server, case))
    at_end = len(arrivals(endpoint))
    if case.leaves:
        flush(tmp_path / "True", endpoint)
    arrived = arrivals(endpoint)
    twice = sum(arrived.values()) - len(arrived)
    rows.append(Row(name, COUNT, at_end, len(arrived), twice, ends[0].seconds, ends[1].seconds))
    assert set(arrived) == sent
    assert not twice
    assert ends[1].code == ends[0].code
    assert ends[1].seconds <= ends[0].seconds + LONGER
    assert "autotrace" not in server.stderr()
    # One node of the application map.
    assert len({item["tags"]["ai.cloud.role"] for item in endpoint.items}) == 1
