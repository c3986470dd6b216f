"""`autotrace demo` as a newcomer sees it: real servers, real requests, and a table of what was recorded."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from autotrace.demo import runner
from autotrace.interruption import interruptible
from tests.endpoint import Endpoint
from tests.harness import environment, run_command, script, wait_until
from tests.needs import need

PACKAGES = ("flask", "django", "pyramid", "gunicorn", "uvicorn", "requests")
ROW = re.compile(r"  (shop|catalogue|stock) +(\S.*\S) +(\d{3}) +(\d+\.\d) +([0-9a-f]{8})")
RECORDED = [
    ("shop", "GET /", "200"),
    ("catalogue", "GET /products", "200"),
    ("shop", "GET /products/<int:number>", "200"),
    ("catalogue", "GET /products/<int:number>", "200"),
    ("shop", "GET /products/<int:number>", "200"),
    ("catalogue", "GET /products/<int:number>", "200"),
    ("shop", "GET /products/<int:number>", "404"),
    ("catalogue", "GET /products/<int:number>", "404"),
    ("shop", "GET (unmatched)", "404"),
    ("shop", "GET /basket", "500"),
    ("shop", "GET /search", "200"),
    ("catalogue", "GET /search", "200"),
    ("catalogue", "GET /export", "200"),
    ("stock", "GET /recount", "500"),
    ("shop", "POST /orders/<int:number>", "201"),
    ("catalogue", "GET /products/<int:number>", "200"),
    ("stock", "GET /levels/{number}", "200"),
    ("shop", "POST /orders/<int:number>", "503"),
    ("catalogue", "GET /products/<int:number>", "200"),
    ("stock", "GET /levels/{number}", "500"),
]


class Row(NamedTuple):
    """One line of the table."""

    service: str
    name: str
    status: str
    ms: str
    operation: str


@pytest.fixture(autouse=True)
def servers() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    need(not missing, f"the demo's packages: {missing} are not installed")


def test_it_says_what_was_recorded(tmp_path: pathlib.Path) -> None:
    done = run_command([script("autotrace"), "demo", "--no-page"], {**environment(tmp_path), "TMPDIR": str(tmp_path)})
    assert (done.code, done.stderr) == (0, "")
    rows = [Row(*match.groups()) for match in map(ROW.fullmatch, done.stdout.splitlines()) if match]
    assert [row[:3] for row in rows] == RECORDED
    # One for each visit.
    assert len({row.operation for row in rows}) == 11
    (export,) = [row for row in rows if row.name == "GET /export"]
    # Three rows of 0.1 s each: a stream is timed to its last byte.
    assert float(export.ms) >= 300
    assert "3 health checks were answered and not recorded" in done.stdout
    order = next(row for row in rows if row.name.startswith("POST"))
    said = re.search(
        rf"Operation {order.operation} is an order: 3 requests to three services, (\d+) calls, 1 log", done.stdout
    )
    assert said is not None
    # Two requests, and a statement in each of the services that they reach, at least.
    assert int(said[1]) >= 4
    for name, server in [("Flask", "gunicorn"), ("Django", "uvicorn"), ("Pyramid", "gunicorn")]:
        assert re.search(rf"autotrace run {server} \S+ +{name} \d\S* under {server} \d", done.stdout)
    assert "export APPLICATIONINSIGHTS_CONNECTION_STRING=" in done.stdout
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_its_pages_show_a_shop_that_goes_on(tmp_path: pathlib.Path) -> None:
    env = {**environment(tmp_path), "TMPDIR": str(tmp_path)}
    words = [script("autotrace"), "demo", "--no-browser"]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in demo.stdout)), None)
        assert found is not None

        def page(path: str) -> str:
            with contextlib.closing(HTTPConnection("127.0.0.1", int(found[1]), timeout=30)) as client:
                client.request("GET", path)
                return client.getresponse().read().decode()

        try:
            wanted = ("GET /products/&lt;int:number&gt;", "shop", "catalogue", "stock", "LookupError")
            assert [text for text in wanted if text not in page("/")] == []
            count = "/logs?format=csv&q=SELECT+count(*)+FROM+requests"
            before = page(count)
            wait_until(lambda: page(count) != before)
            assert "catalogue.db" in page("/map")
        finally:
            demo.send_signal(signal.SIGINT)
        rest, stderr = demo.communicate(timeout=60)
    assert (demo.returncode, stderr) == (0, "")
    assert "autotrace view" in rest
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_settings_of_the_user_neither_disturb_it_nor_get_its_items(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = {
        **environment(tmp_path, endpoint),
        "AUTOTRACE_ENABLED": "false",
        "AUTOTRACE_SAMPLER": "0",
        "AUTOTRACE_ROLE_NAME": "mine",
        "OTEL_SERVICE_NAME": "mine",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "DJANGO_SETTINGS_MODULE": "mine.settings",
        "GUNICORN_CMD_ARGS": "--bind=127.0.0.1:1 --workers=2",
        "UVICORN_PORT": "1",
        "WEB_CONCURRENCY": "2",
        "http_proxy": "http://127.0.0.1:1",
    }
    done = run_command([script("autotrace"), "demo", "--no-page"], env)
    assert (done.code, done.stderr) == (0, "")
    assert sum(ROW.fullmatch(line) is not None for line in done.stdout.splitlines()) == len(RECORDED)
    assert endpoint.posts == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_all_its_servers(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    env = {**environment(tmp_path), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [script("autotrace"), "demo"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    ) as demo:
        assert demo.stdout is not None
        # All servers were started when the first one answered.
        assert any("autotrace run gunicorn stock:app" in line for line in demo.stdout)
        demo.send_signal(number)
        _, stderr = demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert stderr == "autotrace: the demo was interrupted; its servers are stopped\n"
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_signal_does_not_disturb_the_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.setattr("autotrace.demo.servers.stop", lambda running: os.kill(os.getpid(), signal.SIGINT))
    # Visits go on, and Linux gives a signal to any thread that takes it.
    visitor_ends = threading.Event()
    visitor = threading.Thread(target=visitor_ends.wait, daemon=True)
    visitor.start()
    with interruptible():
        runner.clean_up(tmp_path / "demo", [])
    visitor_ends.set()
    visitor.join()
    assert not (tmp_path / "demo").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_written_while_the_files_are_deleted_is_deleted_too(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"

    delete, late = shutil.rmtree, iter(("spool", "store"))

    def delete_while_somebody_writes(path: pathlib.Path, **options: bool) -> None:
        delete(path, **options)
        for name in late:
            (path / name).mkdir(parents=True)
            break

    monkeypatch.setattr("shutil.rmtree", delete_while_somebody_writes)
    folder.mkdir()
    runner.clean_up(folder, [])
    assert not folder.exists()


def test_missing_packages_are_named(tmp_path: pathlib.Path) -> None:
    # An environment of its own, with nothing in it but what the command itself needs.
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], environment(tmp_path))
    (tmp_path / "packages").mkdir()
    for name in ("autotrace", "click"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        (tmp_path / "packages" / name).symlink_to(pathlib.Path(found.origin).parent)
    env = {**environment(tmp_path), "PYTHONPATH": str(tmp_path / "packages")}
    done = run_command([str(tmp_path / "venv" / "bin" / "python"), "-m", "autotrace", "demo"], env)
    assert (done.code, done.stdout) == (1, "")
    needed = "pyramid, gunicorn, django, uvicorn, flask, requests"
    assert done.stderr == f'autotrace: the demo needs {needed}: pip install "autotrace-appinsights[demo]"\n'


def running_in(folder: pathlib.Path) -> list[str]:
    """Return the pids of processes that were started with `folder` in their environment, once none is ending."""
    wanted = os.fsencode(f"TMPDIR={folder}")
    for _ in range(50):
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(process.name)
            except OSError:
                continue
        if not found:
            break
        # A worker may outlive its server by a moment.
        time.sleep(0.1)
    return found
