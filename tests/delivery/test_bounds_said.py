"""What is lost is said with its number, in one line a minute at most, for more than a minute of loss."""

from __future__ import annotations

import pathlib
import time

import pytest

from tests.endpoint import Endpoint
from tests.harness import environment
from tests.journals import unsent
from tests.steps import steps
from tests.traffic import said_lost

pytestmark = pytest.mark.delivery
SECONDS = 75.0


def test_one_line_a_minute(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.fail(503)
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_SPOOL_SIZE": "1"}
    count = 0
    with steps(env, tmp_path) as process:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            process.get(count, 500)
            count += 500
            time.sleep(0.2)
        meanwhile = process.said()
        said = process.end()
    lost = count - unsent(tmp_path / "spool")
    print(said, f"{lost} of {count} lost")  # noqa: T201
    # The first at once, the second a minute later, the rest at the end.
    assert 1 <= meanwhile.count("\n") <= 2
    assert said.count("\n") <= meanwhile.count("\n") + 1
    assert said_lost(said) == lost > 50_000
