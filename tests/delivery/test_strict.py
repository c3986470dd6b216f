"""Servers whose warnings are errors: with us they run as they do without us."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.delivery.loads import PROBE, answer, arrivals, flush
from tests.delivery.table import CASES
from tests.delivery.test_servers import end
from tests.endpoint import Endpoint
from tests.harness import APPS, serve
from tests.needs import need

pytestmark = pytest.mark.delivery
COUNT = 40
# Pyramid's own imports warn.
IGNORED = ["pkg_resources is deprecated", "Deprecated call to `pkg_resources", "'cgi' is deprecated"]
STRICT = {"PYTHONWARNINGS": ",".join(["error", *(f"ignore:{text}" for text in IGNORED)])}
# Each server once.
NAMES = [name for name in CASES if "," not in name and "max-requests" not in name and " --" not in name]


@pytest.mark.parametrize("name", [*NAMES, "uwsgi --lazy-apps", "flask run --debug", "pserve --reload"])
def test_a_server_with_strict_warnings(name: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    case = CASES[name]
    for path in case.needs:
        need(path.exists(), f"{path.name} is not installed")
    codes, warned = [], []
    for traced in (False, True):
        env = {**case.env, **STRICT}
        try:
            with serve(case.command, tmp_path / str(traced), endpoint, env, traced, APPS, PROBE) as server:
                sent = answer(server.port, 0, COUNT, keep=case.keep)
                codes.append(end(server, case).code)
                warned.append(set(re.findall(r"\w+Warning: [a-z ]*", server.stderr())))
        except AssertionError as error:
            if traced:
                raise
            pytest.skip(f"it does not run so without us: {str(error).strip().splitlines()[-1]}")
    flush(tmp_path / "True", endpoint)
    assert set(arrivals(endpoint)) == sent
    assert codes[1] == codes[0]
    assert "autotrace" not in server.stderr()
    assert warned[1] <= warned[0]
