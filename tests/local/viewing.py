"""A running `autotrace view` for tests, what is posted to it, and what its store then has."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

from tests.harness import environment

KEY = "00000000-0000-0000-0000-000000000000"
START, ANSWER = 30.0, 60.0


class Answer(NamedTuple):
    """What came back: status, headers by their names in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class View:
    """A running viewer: its process, port, and the file that was chosen for its store."""

    def __init__(self, process: subprocess.Popen[bytes], folder: pathlib.Path, store: pathlib.Path) -> None:
        self.process = process
        self.folder = folder
        self.store = store
        self.port = 0

    def stdout(self) -> str:
        return (self.folder / "view-stdout").read_text("utf-8", "replace")

    def stderr(self) -> str:
        return (self.folder / "view-stderr").read_text("utf-8", "replace")

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request over a connection of its own; `_` in the name of a header is `-`."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            client.request(method, path, body or None, named)
            response = client.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            client.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, items: Any, path: str = "/v2.1/track", **headers: str) -> Answer:
        """Post JSON, compressed with gzip."""
        body = gzip.compress(json.dumps(items).encode(), 1)
        return self.ask("POST", path, body, Content_Encoding="gzip", **headers)

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds in the chosen store."""
        with contextlib.closing(sqlite3.connect(str(self.store))) as connection:
            return connection.execute(query).fetchall()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(START)

    def kilobytes(self) -> int:
        """Return the memory that the process has in RAM."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def command(*options: object) -> list[str]:
    """Return the words that start a viewer."""
    return [sys.executable, "-m", "autotrace", "view", *map(str, options)]


@contextlib.contextmanager
def view(
    folder: pathlib.Path, *options: str, env: Mapping[str, str] | None = None, words: Sequence[str] | None = None
) -> Iterator[View]:
    """Run `autotrace view` on a free port with a store in `folder` until the block ends.

    `words` are a command in its place, which chooses the store itself.
    """
    store = folder / "store.db"
    chosen = [*words] if words else command("--store", store)
    words = [*chosen, "--no-browser", "--port", "0", *options]
    with open(folder / "view-stdout", "wb") as stdout, open(folder / "view-stderr", "wb") as stderr:
        process = subprocess.Popen(
            words,
            env={**environment(folder), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    viewer = View(process, folder, store)
    try:
        end = time.monotonic() + START
        while not (found := re.search(r"http://\S+:(\d+)/ shows", viewer.stdout())):
            assert process.poll() is None, viewer.stderr()
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.02)
        viewer.port = int(found[1])
        yield viewer
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def item(kind: str = "Request", age: float = 0.0, tags: Mapping[str, Any] | None = None, **base: Any) -> dict[str, Any]:
    """Make an item that the service takes and that is `age` seconds old; `base` replaces fields of its data."""
    moment = time.time() - age
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return {
        "ver": 1,
        "name": f"Microsoft.ApplicationInsights.{kind}",
        "time": f"{seconds}.{int(moment % 1 * 1e6):06d}Z",
        "iKey": KEY,
        "tags": {"ai.operation.id": "4bf92f3577b34da6a3ce929d0e0e4736", "ai.cloud.role": "shop", **(tags or {})},
        "data": {"baseType": f"{kind}Data", "baseData": {"ver": 2, **BASES[kind], **base}},
    }


def requests(count: int, prefix: str = "") -> list[dict[str, Any]]:
    """Make request items with ids of their own."""
    return [item(id=f"{prefix}{number:x}") for number in range(count)]


def stream(items: Iterable[Any]) -> bytes:
    """Spell items as a JSON stream."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in items)


FRAME = {"level": 0, "method": "shop.basket", "assembly": "shop", "fileName": "/srv/shop.py", "line": 17}
BASES: dict[str, dict[str, Any]] = {
    "Request": {
        **{"id": "53995c3f42cd8ad8", "name": "GET /", "duration": "00:00:00.0123456", "responseCode": "200"},
        **{"success": True, "url": "http://shop.example/", "properties": {"pid": "7"}, "measurements": {"bytes": 51}},
    },
    "RemoteDependency": {
        **{"id": "53995c3f42cd8ad9", "name": "SELECT", "duration": "0.00:00:01", "resultCode": "0", "success": False},
        **{"type": "SQL", "target": "db|shop", "data": "SELECT 1"},
    },
    "Exception": {
        "exceptions": [
            {"id": 1, "outerId": 0, "typeName": "KeyError", "message": "'basket'", "parsedStack": [FRAME]},
            {
                "id": 2,
                "outerId": 1,
                "typeName": "OSError",
                "message": "no disk",
                "hasFullStack": False,
                "stack": "at x",
            },
        ],
        **{"severityLevel": "Error", "problemId": "KeyError at shop.basket"},
    },
    "Message": {"message": "a basket was filled", "severityLevel": 1},
    "Event": {"name": "bought"},
    "Metric": {"metrics": [{"name": "queue", "value": 6, "count": 3, "min": 1, "max": 3, "kind": 1}]},
    "PageView": {"name": "Shop", "url": "http://shop.example/", "duration": "00:00:01.25", "id": "a1"},
    "PageViewPerf": {"name": "Shop", "perfTotal": "00:00:02", "networkConnect": "00:00:00.1"},
    "Availability": {"id": "1", "name": "ping", "duration": "00:00:00.5", "success": True, "runLocation": "Oslo"},
}
