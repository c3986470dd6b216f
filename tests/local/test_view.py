"""The command `autotrace view`: how it starts, what it says, and how it ends."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from tests.harness import environment, run_command, wait_until
from tests.local.viewing import command, requests, view


def test_it_says_where_it_is_what_it_shows_and_how_to_send(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as running:
        assert running.stdout() == (
            f"autotrace: http://127.0.0.1:{running.port}/ shows {tmp_path}/store.db; Ctrl-C ends it\n"
            "any Application Insights SDK sends here with InstrumentationKey=00000000-0000-0000-0000-000000000000;"
            f"IngestionEndpoint=http://127.0.0.1:{running.port}/\n"
        )
        assert stat.S_IMODE(running.store.stat().st_mode) == 0o600
        assert running.get("/static/style.css").status == 200
        assert running.end() == 128 + signal.SIGTERM
        assert running.stderr() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_quietly_and_nothing_is_lost(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    with view(tmp_path) as running:
        running.post(requests(3))
        started = time.monotonic()
        assert running.end(number) == 128 + number
        assert time.monotonic() - started < 3
        assert running.stderr() == ""
        assert running.read("SELECT count(*) FROM requests") == [(3,)]
        # What was in a log beside the file is in it.
        assert sorted(path.name for path in tmp_path.glob("store.db*")) == ["store.db"]


def test_it_is_there_when_the_browser_says_localhost(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as running:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                client = socket.create_connection((address, running.port), 5)
            except OSError:
                assert family == socket.AF_INET6
                continue
            client.sendall(f"GET /favicon.ico HTTP/1.1\r\nHost: localhost:{running.port}\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            client.close()


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as running:
        done = run_command(command("--no-browser", "--port", running.port), environment(tmp_path))
        assert (done.code, done.stdout) == (1, "")
        reason = f"port {running.port} of 127.0.0.1 is in use"
        assert done.stderr == f"autotrace: {reason}: choose another one with --port (0 is any free one)\n"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", ""])
def test_an_address_that_is_not_ours_is_told_in_one_line(tmp_path: pathlib.Path, host: str) -> None:
    done = run_command(command("--no-browser", "--port", 0, "--host", host), environment(tmp_path))
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("autotrace: it cannot listen at ")


@pytest.mark.parametrize("place", ["/proc/none/store.db", "{}/nowhere/store.db", "/dev/null/store.db"])
def test_a_store_that_cannot_be_is_told_in_one_line(tmp_path: pathlib.Path, place: str) -> None:
    path = place.format(tmp_path)
    done = run_command(command("--no-browser", "--port", 0, "--store", path), environment(tmp_path))
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert path in done.stderr


def test_a_file_that_is_no_store_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "store.db").write_text("my diary")
    with view(tmp_path) as running:
        assert f"shows {tmp_path}/store-2.db;" in running.stdout()
        assert running.stderr().count("\n") == 1
        assert running.post(requests(1)).status == 200
    assert (tmp_path / "store.db").read_text() == "my diary"


def test_an_address_of_the_network_is_warned_about(tmp_path: pathlib.Path) -> None:
    with view(tmp_path, "--host", "0.0.0.0") as running:  # noqa: S104
        assert "warning: everybody who reaches this address can read and write telemetry" in running.stderr()
        # Services of a network call each other by names.
        assert running.post(requests(1), Host="viewer:5199").status == 200
        assert running.get("/", Host="viewer:5199").status == 421
        assert running.post(requests(1), Host="viewer:5199", Origin="http://viewer:5199").status == 403


def test_it_opens_the_browser(tmp_path: pathlib.Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o700)
    words = command("--port", 0, "--store", tmp_path / "store.db")
    process = subprocess.Popen(
        words, env={**environment(tmp_path), "BROWSER": f"{browser} %s"}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        (url,) = re.findall(r"http://\S+", process.stdout.readline())
        wait_until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text() == f"{url}\n")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout is not None
        process.stdout.close()


def test_without_a_browser_it_works_as_well(tmp_path: pathlib.Path) -> None:
    env = {name: value for name, value in environment(tmp_path).items() if name not in ("DISPLAY", "BROWSER")}
    with view(tmp_path, env={**env, "PATH": "/nonexistent"}) as running:
        assert running.get("/favicon.ico").status == 200
        assert running.stderr() == ""


def test_it_starts_at_once_and_stays_small(tmp_path: pathlib.Path) -> None:
    times = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        started = time.monotonic()
        with view(folder) as running:
            running.get("/favicon.ico")
            times.append(time.monotonic() - started)
            running.get("/nothing", Accept="text/html")
            assert running.kilobytes() < 60 << 10
    assert min(times) < 1.5


def test_two_viewers_share_a_store(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as first:
        other = tmp_path / "other"
        other.mkdir()
        with view(other, "--store", str(first.store)) as second:
            assert {running.post(requests(5, str(running.port))).status for running in (first, second)} == {200}
            assert first.read("SELECT count(*) FROM requests") == [(10,)]


def test_the_store_of_the_user_is_the_default(tmp_path: pathlib.Path) -> None:
    env = {**environment(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    process = subprocess.Popen(command("--no-browser", "--port", 0), env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f"shows {tmp_path}/state/autotrace/telemetry.db" in process.stdout.readline()
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
    assert os.path.exists(tmp_path / "state/autotrace/telemetry.db")
