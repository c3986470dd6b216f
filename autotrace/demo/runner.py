"""The demonstration from start to end: servers, traffic, what was recorded."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, Sequence

from autotrace.demo import report, servers, traffic
from autotrace.interruption import handled
from autotrace.local.reader import reading

# Seconds for the servers' start and all traffic.
LIMIT = 40.0
# Seconds from the last request to its item; the servers write once a second.
ARRIVAL = 8.0
Say = Callable[[str], None]
# Shows a store until somebody has seen enough of it.
Show = Callable[[str], None]


class DemoError(Exception):
    """The demonstration did not work; the text says why."""


def run(say: Say, show: Show | None) -> None:
    """Run the demonstration and give its lines to `say`; raises DemoError. Nothing of it is left behind.

    `show` gets the path of the store, at which visits go on until it returns.
    """
    folder = Path(tempfile.mkdtemp(prefix="autotrace-demo-"))
    store = folder / "telemetry.db"
    running: list[servers.Server] = []
    try:
        ports = start(folder, store, running, say)
        visit(ports, running)
        tell(str(store), say)
        if show is not None:
            stopped = threading.Event()
            visitor = threading.Thread(target=traffic.go_on, args=(ports, stopped), daemon=True)
            visitor.start()
            try:
                show(str(store))
            finally:
                stopped.set()
                visitor.join()
    finally:
        clean_up(folder, running)


def clean_up(folder: Path, running: Sequence[servers.Server]) -> None:
    """Stop the servers and delete their files; a signal that asks for the end, which comes with that, is ignored."""
    # Ignored, not blocked: the main thread also runs the handlers of signals that other threads take.
    with handled(signal.SIG_IGN):
        servers.stop(running)
        for _ in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            # A worker may outlive its server by a moment, and write.
            time.sleep(0.1)


def start(folder: Path, store: Path, running: list[servers.Server], say: Say) -> dict[str, int]:
    """Start the servers, add them to `running`, and return their ports once each has answered."""
    environ = servers.environment(folder, store)
    say(f"Three applications without a line about tracing, in {servers.APPS}:\n")
    for sample in servers.SAMPLES:
        running.append(servers.start(sample, folder, environ))
    for server in running:
        # A server that is still starting keeps the connection waiting; one that fails closes it.
        send(running, server.port, traffic.Visit(server.sample.name, "GET", traffic.HEALTH, 0))
        say(f"  {server.sample.command():<44}  {server.sample.versions()}")
    return {server.sample.name: server.port for server in running}


def visit(ports: dict[str, int], running: Sequence[servers.Server]) -> None:
    """Send each of the visits once."""
    for each in traffic.VISITS:
        send(running, ports[each.service], each)


def send(running: Sequence[servers.Server], port: int, each: traffic.Visit) -> None:
    """Send one visit; DemoError with the last words of a server that does not answer."""
    try:
        traffic.send(port, time.monotonic() + LIMIT, each)
    except traffic.NoAnswerError as error:
        raise DemoError(f"{error}{last_words(running, error.service)}") from error


def tell(store: str, say: Say) -> None:
    """Say what is in the store once everything has arrived; DemoError when something has not."""
    expected = sum(each.requests for each in traffic.VISITS)
    say(f"\n{len(traffic.VISITS)} requests were sent. What was recorded:\n")
    found = wait_for(store, expected)
    with reading(store, ARRIVAL) as connection:
        for line in [*report.table(found), "", *report.remarks(connection), ""]:
            say(line)
    if len(found) != expected:
        raise DemoError(f"{len(found)} of {expected} requests were recorded")


def wait_for(store: str, expected: int) -> list[sqlite3.Row]:
    """Return the requests in a store once as many are there, or after ARRIVAL seconds."""
    end = time.monotonic() + ARRIVAL
    while True:
        found: list[sqlite3.Row] = []
        # The first writer makes the file.
        if os.path.exists(store):
            with suppress(sqlite3.OperationalError), reading(store, ARRIVAL) as connection:
                found = connection.execute(report.REQUESTS).fetchall()
        if len(found) >= expected or time.monotonic() > end:
            return found
        time.sleep(0.1)


def last_words(running: Sequence[servers.Server], service: str) -> str:
    """Return the end of what a service's server wrote, as lines to follow a message."""
    log = next(server.log for server in running if server.sample.name == service)
    lines = log.read_text("utf-8", "replace").splitlines()[-15:]
    return "".join(f"\n  {line}" for line in lines)
