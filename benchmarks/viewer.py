"""How fast `autotrace view` is: its pages over a store of many requests, what it takes in, its memory and its start."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import threading
import time
from statistics import median
from typing import Iterator, NamedTuple, Sequence
from urllib.parse import urlencode

from autotrace.local.examples import EXAMPLES
from autotrace.local.tables import TABLES
from benchmarks import local_data, posts, servers
from benchmarks.cells import NOTHING, number, table
from benchmarks.environments import FOREIGN, HERE, say
from benchmarks.figures import Plan
from benchmarks.processes import PeerError, last_words

_PATIENCE = 60.0
# Seconds between looks at a page while items come in, and how many items come for that.
_PAUSE = 0.1
_BUSY = 4


class Row(NamedTuple):
    """A line of the table: what was measured, each value, their unit and digits; the goal in words, or nothing."""

    title: str
    values: Sequence[float]
    unit: str = "ms"
    digits: int = 0
    goal: str = NOTHING


class Page(NamedTuple):
    """A kind of pages: what it is called, where they are, and the milliseconds that one may take."""

    title: str
    paths: Sequence[str]
    goal: int = 300


class Viewed(NamedTuple):
    """What was measured: how many requests and items were in the store, and the rows."""

    requests: int
    items: int
    rows: Sequence[Row]


class Viewer(NamedTuple):
    """A running viewer."""

    process: subprocess.Popen[bytes]
    port: int

    def memory(self) -> float:
        """Return the MiB that its process has in RAM; a query of Logs is answered by another one."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def measure(plan: Plan, folder: pathlib.Path) -> Viewed:
    """Fill a store in a folder and measure the viewer that shows it; raises PeerError."""
    store = folder / "viewed.db"
    say(f"filling a store with {plan.stored} requests")
    local_data.fill(str(store), plan.stored)
    requests, items = _counted(store)
    bodies = posts.bodies(plan.posted)
    say("measuring the viewer")
    with viewing(store, folder) as viewer:
        memory = {"before the first page": viewer.memory()}
        rows = visit(viewer.port, list(_pages(store)), plan.visits)
        memory["after all pages"] = viewer.memory()
        rate = posts.rate(viewer.port, bodies)
        memory[f"after {plan.posted:,} more items"] = viewer.memory()
        rows.append(Row("overview while items come in", _busy(viewer.port, bodies[: len(bodies) // _BUSY])))
    rows.append(Row(f"items taken a second, {posts.CLIENTS} clients", [rate], "", 0, "at least 5000"))
    rows += [Row(f"memory {when}", [value], "MiB", 0, "at most 150 MiB") for when, value in memory.items()]
    rows.append(Row("start, to the first page", list(_starts(store, folder, plan.starts)), "s", 2))
    return Viewed(requests, items, rows)


@contextlib.contextmanager
def viewing(store: pathlib.Path, folder: pathlib.Path) -> Iterator[Viewer]:
    """Run `autotrace view` until the block ends; raises PeerError."""
    port = servers.free_port()
    log = folder / f"view-{port}.log"
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    words = [sys.executable, "-m", "autotrace", "view", "--no-browser", f"--port={port}", f"--store={store}"]
    process = servers.spawn(words, log, HERE.parent, {**env, "HOME": str(folder)})
    try:
        end = time.monotonic() + _PATIENCE
        while b" shows " not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                raise PeerError(f"autotrace view does not start: {last_words(log)}")
            time.sleep(0.005)
        yield Viewer(process, port)
    finally:
        servers.stop(process)


def _starts(store: pathlib.Path, folder: pathlib.Path, count: int) -> Iterator[float]:
    """Start a viewer so often; yield the seconds until it has answered with the overview."""
    for _ in range(count):
        began = time.perf_counter()
        with viewing(store, folder) as viewer, contextlib.closing(connect(viewer.port)) as connection:
            get(connection, "/")
            yield time.perf_counter() - began


def _counted(store: pathlib.Path) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(str(store))) as connection:
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    return counts["requests"], sum(counts.values())


def _pages(store: pathlib.Path) -> Iterator[Page]:
    """Yield what is visited, for the store as it is."""
    with contextlib.closing(sqlite3.connect(str(store))) as connection:
        largest, _ = connection.execute(
            "SELECT operation_Id, count(*) AS items FROM dependencies GROUP BY operation_Id ORDER BY items DESC LIMIT 1"
        ).fetchone()
        (error,) = connection.execute("SELECT max(itemId) FROM exceptions").fetchone()
        (rare,) = connection.execute("SELECT operation_Id FROM requests ORDER BY _time LIMIT 1").fetchone()
    one = urlencode({"role": "catalogue", "operation": "GET /search"})
    failed = urlencode({"type": ["request", "exception"], "status": "failed", "role": "stock"}, doseq=True)
    yield Page("overview", ["/"])
    yield Page("overview, all that is stored", ["/?range=all"])
    yield Page("failures", ["/failures"])
    yield Page("failures of an operation", [f"/failures?{one}"])
    yield Page("performance", ["/performance"])
    yield Page("performance of an operation", [f"/performance?{one}"])
    yield Page("search, no text", ["/search"], 500)
    yield Page("search, filters", [f"/search?{failed}", "/search?type=dependency&code=502"], 500)
    yield Page("search, a frequent text", ["/search?text=products"], 500)
    yield Page("search, a rare text", [f"/search?range=all&text={rare}"], 500)
    yield Page("search, a text that is nowhere", ["/search?text=zebra"], 500)
    yield Page("search, three words, one of them nowhere", ["/search?text=get+products+zebra"], 500)
    yield Page("item", [f"/item/exceptions/{error}"])
    yield Page("transaction", [f"/transaction/{largest}"])
    yield Page("map", ["/map"], 500)
    yield Page("map of a service", ["/map?role=catalogue"], 500)
    yield Page("logs, the queries to begin with", [f"/logs?{urlencode({'q': example.sql})}" for example in EXAMPLES])


def visit(port: int, pages: Sequence[Page], visits: int) -> list[Row]:
    """Ask for all pages in turn, so often; return the times of each kind. Raises PeerError."""
    times: dict[str, list[float]] = {page.title: [] for page in pages}
    with contextlib.closing(connect(port)) as connection:
        for _ in range(visits):
            for page in pages:
                times[page.title] += (get(connection, path) for path in page.paths)
    return [Row(page.title, times[page.title], goal=f"below {page.goal} ms") for page in pages]


def _busy(port: int, bodies: Sequence[bytes]) -> list[float]:
    """Post, and return the times of the overview meanwhile; raises PeerError."""
    times: list[float] = []
    done = threading.Event()

    def look() -> None:
        with contextlib.closing(connect(port)) as connection:
            while not done.wait(_PAUSE):
                times.append(get(connection, "/"))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        posts.rate(port, bodies)
    finally:
        done.set()
        looking.join()
    return times


def connect(port: int) -> http.client.HTTPConnection:
    """Return a connection to a viewer."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)


def get(connection: http.client.HTTPConnection, path: str) -> float:
    """Return the milliseconds until a page is there; raises PeerError."""
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    took = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise PeerError(f"autotrace view answers {response.status} to {path}")
    return took


def described(viewed: Viewed) -> str:
    """Return what was measured as a table."""
    columns = [f"autotrace view, {viewed.requests:,} requests, {viewed.items:,} items", "median", "slowest", "goal"]
    return table(columns, [[row.title, *_cells(row), row.goal] for row in viewed.rows])


def _cells(row: Row) -> tuple[str, str]:
    if not row.values:
        return NOTHING, NOTHING
    slowest = number(max(row.values), row.unit, row.digits) if len(row.values) > 1 else NOTHING
    return number(median(row.values), row.unit, row.digits), slowest
