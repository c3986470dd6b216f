"""AUTOTRACE_FLUSH_ON_SIGTERM: servers that die of SIGTERM have sent everything by then, and die of it all the same."""

from __future__ import annotations

import pathlib
import signal
import sys

import pytest

from tests.delivery.loads import PROBE, answer, arrivals
from tests.delivery.table import CASES, Case
from tests.delivery.test_servers import COUNT, LONGER, end
from tests.endpoint import Endpoint
from tests.harness import APPS, environment, run_code, serve
from tests.journals import stored

pytestmark = pytest.mark.delivery
ON = {"AUTOTRACE_FLUSH_ON_SIGTERM": "1"}
DYING: dict[str, Case] = {
    "waitress": CASES["waitress"],
    "flask run": CASES["flask run"],
    "runserver --noreload": Case([sys.executable, "manage.py", "runserver", "--noreload", "{port}"]),
    "pserve": CASES["pserve"],
}


@pytest.mark.parametrize("name", DYING)
def test_all_is_sent_before_the_end(name: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    case = DYING[name]
    with serve(case.command, tmp_path, endpoint, {**case.env, **ON}, True, APPS, PROBE) as server:
        sent = answer(server.port, 0, COUNT)
        ended = end(server, case)
    assert ended.code == -signal.SIGTERM
    assert ended.seconds < LONGER
    assert set(arrivals(endpoint)) == sent
    assert not stored(tmp_path / "spool")


def test_an_endpoint_that_hangs_delays_the_end_for_two_seconds(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    case = DYING["waitress"]
    endpoint.hang()
    with serve(case.command, tmp_path, endpoint, ON, True, APPS, PROBE) as server:
        answer(server.port, 0, COUNT)
        ended = end(server, case)
    assert ended.code == -signal.SIGTERM
    assert ended.seconds < LONGER + 1
    assert stored(tmp_path / "spool") == COUNT


HANDLERS = (
    "import signal, os, sys; {before}from flask_app import app; {after}app.test_client().get('/users/1');"
    "os.kill(os.getpid(), signal.SIGTERM)"
)
THEIRS = "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7)); "


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_handler_of_the_application_is_its_own(place: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    code = HANDLERS.format(**{"before": "", "after": "", place: THEIRS})
    assert run_code(code, {**environment(tmp_path, endpoint), **ON}).code == 7
    assert len(endpoint.requests()) == 1


def test_without_the_setting_nothing_handles_the_signal(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    code = HANDLERS.format(before="", after="assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL; ")
    for traced in (False, True):
        assert run_code(code, environment(tmp_path, endpoint), traced).code == -signal.SIGTERM
