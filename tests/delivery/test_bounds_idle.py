"""An idle process costs next to nothing while the endpoint fails: under one percent of a core."""

from __future__ import annotations

import concurrent.futures
import pathlib
from typing import Callable

import pytest

from tests.delivery.test_bounds_memory import loop, measures
from tests.endpoint import Endpoint
from tests.harness import environment
from tests.journals import unsent

pytestmark = pytest.mark.delivery
SECONDS = 35
NOWHERE = "InstrumentationKey=00000000-1111-2222-3333-444444444444;IngestionEndpoint=https://nowhere.invalid/"
OUTAGES: dict[str, Callable[[Endpoint], object]] = {
    "refused": Endpoint.refuse,
    "hanging": Endpoint.hang,
    "429": lambda endpoint: endpoint.fail(429),
    "429 for a second": lambda endpoint: endpoint.fail(429, retry_after="1"),
    "503": lambda endpoint: endpoint.fail(503),
    "no such name": lambda endpoint: None,
}


def idle(what: str, folder: pathlib.Path) -> None:
    """Let a process answer some requests and wait while the endpoint fails."""
    with Endpoint() as endpoint:
        OUTAGES[what](endpoint)
        env = environment(folder, endpoint)
        if what == "no such name":
            env["APPLICATIONINSIGHTS_CONNECTION_STRING"] = NOWHERE
        done = loop("flask", "users", 2000, 2000, env, rest=SECONDS)
        before, after = measures(done)
    share = (after["cpu"] - before["cpu"]) / (after["seconds"] - before["seconds"])
    print(f"{what}: {share:.3%} of a core")  # noqa: T201
    assert share < 0.01, what
    assert done.stderr == "", "nothing is lost, and nothing is said"
    assert unsent(folder / "spool") == 2000


def test_an_idle_process_in_an_outage(tmp_path: pathlib.Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(len(OUTAGES)) as pool:
        for future in [pool.submit(idle, what, tmp_path / what) for what in OUTAGES]:
            future.result()
