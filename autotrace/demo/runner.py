"""The demonstration from start to end: servers, traffic, what was recorded."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Callable, Sequence

from autotrace.demo import report, servers, traffic
from autotrace.demo.collector import Collector

# Seconds for the servers' start and all traffic.
LIMIT = 40.0
# Seconds from the last request to its item; the servers send once a second.
ARRIVAL = 8.0
Say = Callable[[str], None]


class DemoError(Exception):
    """The demonstration did not work; the text says why."""


def run(say: Say) -> None:
    """Run the demonstration and give its lines to `say`; raises DemoError. Nothing of it is left behind."""
    folder = tempfile.mkdtemp(prefix="autotrace-demo-")
    collector = Collector()
    try:
        sent = serve_and_visit(Path(folder), collector, say)
    finally:
        collector.close()
        shutil.rmtree(folder, ignore_errors=True)
    items = report.requests_of(collector.items)
    for line in [*report.table(items), "", *report.remarks(sent, items), "", report.NEXT]:
        say(line)
    for problem in report.missing(sent, items):
        raise DemoError(problem)


def serve_and_visit(folder: Path, collector: Collector, say: Say) -> list[traffic.Sent]:
    """Start the servers, send the traffic, wait for the items, stop the servers; return what was sent."""
    end = time.monotonic() + LIMIT
    environ = servers.environment(folder, collector.connection_string)
    running: list[servers.Server] = []
    say(f"Three applications without a line about tracing, in {servers.APPS}:\n")
    try:
        for sample in servers.SAMPLES:
            running.append(servers.start(sample, folder, environ))
        sent = []
        for server in running:
            # A server that is still starting keeps the connection waiting; one that fails closes it.
            sent.append(traffic.send(server.port, end, server.sample.name, "GET", traffic.HEALTH))
            say(f"  {server.sample.command():<44}  {server.sample.versions()}")
        sent += traffic.visit({server.sample.name: server.port for server in running}, end)
        say(f"\n{len(sent)} requests were sent. What was recorded:\n")
        collector.wait(sum(request.target != traffic.HEALTH for request in sent), ARRIVAL)
    except traffic.NoAnswerError as error:
        raise DemoError(f"{error}{last_words(running, error.service)}") from error
    finally:
        servers.stop(running)
    return sent


def last_words(running: Sequence[servers.Server], service: str) -> str:
    """Return the end of what a service's server wrote, as lines to follow a message."""
    log = next(server.log for server in running if server.sample.name == service)
    lines = log.read_text("utf-8", "replace").splitlines()[-15:]
    return "".join(f"\n  {line}" for line in lines)
