"""Reloaders: requests before and after a file of the application changed, each in a process of its own."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import signal

import pytest

from tests.delivery.loads import PROBE, answer, arrivals, flush, wait_until_idle
from tests.delivery.table import CASES
from tests.delivery.test_servers import COUNT, end
from tests.endpoint import Endpoint
from tests.harness import APPS, exchange, request, serve, wait_until
from tests.needs import need

pytestmark = pytest.mark.delivery
RELOADERS = {"flask run --debug": "flask_app.py", "runserver": "django_app.py", "pserve --reload": "pyramid_app.py"}


@pytest.mark.parametrize("how", ["", ", Ctrl-C"])
@pytest.mark.parametrize("name", RELOADERS)
def test_nothing_is_lost_at_a_reload(name: str, how: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    case = CASES[name + how]
    env = {name: str(apps) for name in case.env}
    with serve(case.command, tmp_path, endpoint, env, True, apps, PROBE) as server:
        sent = answer(server.port, 0, COUNT)
        source = apps / RELOADERS[name]
        source.write_text(source.read_text().replace("hello", "hello again"))
        wait_until_changed(source, server.port)
        sent |= answer(server.port, COUNT, COUNT)
        end(server, case)
    flush(tmp_path, endpoint)
    assert set(arrivals(endpoint)) == sent
    assert max(endpoint.counts().values()) == 1
    pids = {item["data"]["baseData"]["properties"]["process.pid"] for item in endpoint.requests()}
    assert len(pids) >= 2
    assert "autotrace" not in server.stderr()


RELOADED = {"gunicorn sync": signal.SIGHUP, "gunicorn preload": signal.SIGHUP, "uwsgi --processes=2": signal.SIGTERM}


@pytest.mark.parametrize("name", RELOADED)
def test_nothing_is_lost_when_workers_are_replaced(name: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    case = CASES[name]
    for path in case.needs:
        need(path.exists(), f"{path.name} is not installed")
    with serve(case.command, tmp_path, endpoint, case.env, True, APPS, PROBE) as server:
        sent = answer(server.port, 0, COUNT, keep=False)
        wait_until_idle(server.port)
        before = children(server.process.pid)
        server.process.send_signal(RELOADED[name])
        wait_until(
            lambda: len(children(server.process.pid) - before) >= 2 and not children(server.process.pid) & before
        )
        wait_until(lambda: says(server.port, b"hello"))
        sent |= answer(server.port, COUNT, COUNT, keep=False)
        end(server, case)
    if case.leaves:
        flush(tmp_path, endpoint)
    assert set(arrivals(endpoint)) == sent
    assert max(endpoint.counts().values()) == 1
    assert "autotrace" not in server.stderr()


def children(pid: int) -> set[str]:
    """Return the process ids of a process's children."""
    return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def wait_until_changed(source: pathlib.Path, port: int) -> None:
    """Wait until the changed application serves; a change before the reloader's first look goes unnoticed."""
    for _ in range(5):
        source.touch()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: says(port, b"hello again"), 6)
            return
    raise AssertionError("the change of a file was not noticed")


def says(port: int, text: bytes) -> bool:
    """Tell whether the server answers with a text; one that is about to be replaced may not answer at all."""
    with contextlib.suppress(OSError):
        return text in exchange(port, request("GET", "/", host="127.0.0.1"), 5)
    return False
