"""The processes of a measurement: the endpoint and the drivers, ended by closing their standard input."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import uuid
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from benchmarks import environments
from benchmarks.peers import Peer

HERE = pathlib.Path(__file__).resolve().parent
STOP = 20.0


class Place(NamedTuple):
    """Where a measurement runs: the endpoint's URL and a scratch directory."""

    url: str
    folder: pathlib.Path


class Mode(NamedTuple):
    """How a peer is set: `name` and the environment variables `extra`; see driver.py for the others."""

    name: str
    extra: Mapping[str, str]
    flags: str
    sends: bool = False
    settle: float = 0.0


class Driven:
    """A running driver."""

    def __init__(self, process: subprocess.Popen[str], log: pathlib.Path, mode: Mode) -> None:
        self.process = process
        self.log = log
        self.mode = mode

    def work(self, seconds: float) -> dict[str, float]:
        """Have the driver make requests and return what it measured; see driver.py."""
        mode = self.mode
        wanted = {"seconds": seconds, "flags": mode.flags, "sends": mode.sends, "settle": mode.settle}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        # What it said before it went is told below.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(wanted) + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            # An application or a peer may print lines of its own.
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        raise RuntimeError(f"a driver went away, it said:\n{self.log.read_text()[-4000:]}")


@contextlib.contextmanager
def running(command: Sequence[str], log: pathlib.Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process that ends when its standard input does; its stderr goes to `log`."""
    with open(log, "w") as stderr:
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, **options
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def endpoint(folder: pathlib.Path) -> Iterator[Place]:
    """Run the ingestion endpoint in a process of its own."""
    with running([sys.executable, str(HERE / "endpoint.py")], folder / "endpoint.log") as process:
        assert process.stdout is not None
        yield Place(f"http://127.0.0.1:{int(process.stdout.readline())}", folder)


@contextlib.contextmanager
def driver(peer: Peer, framework: str, mode: Mode, place: Place) -> Iterator[Driven]:
    """Run the application of a framework under a peer."""
    key = str(uuid.uuid4())
    env = environments.environment(peer, mode.extra, place.url, key, place.folder)
    count_url = f"{place.url}/count/{key}"
    words = command(peer, "python", str(HERE / "driver.py"), f"{framework}_app", count_url)
    log = place.folder / f"{peer.name}-{framework}-{mode.name}.log"
    with running(words, log, env=env, cwd=HERE / "apps" / peer.apps) as process:
        yield Driven(process, log, mode)


def command(peer: Peer, script: str, *words: str) -> list[str]:
    """Return the command of a console script in the peer's environment, with the peer's launcher in front."""
    folder = environments.scripts(peer)
    launcher = [str(folder / peer.launcher[0]), *peer.launcher[1:]] if peer.launcher else []
    return [*launcher, str(folder / script), *words]
