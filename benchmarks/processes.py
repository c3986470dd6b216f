"""The processes of a measurement: the endpoint and the drivers, ended by closing their standard input."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import uuid
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from benchmarks import environments
from benchmarks.environments import HERE
from benchmarks.figures import Notes
from benchmarks.peers import Peer

STOP = 20.0
# OpenCensus sends 100 items at a time: with a multiple of it nothing waits for its next interval.
BATCH = 100


class Place(NamedTuple):
    """Where a measurement runs: the endpoint's URL, a scratch directory, the file of the endpoint's certificate."""

    url: str
    folder: pathlib.Path
    certificate: pathlib.Path

    def names(self, key: str) -> dict[str, str]:
        """Return what fills the braces in a peer's environment variables; `key` is the process's own."""
        return {"url": self.url, "folder": str(self.folder), "certificate": str(self.certificate), "key": key}


class Mode(NamedTuple):
    """How a peer is set: `name` and the environment variables `extra`; see driver.py for the others."""

    name: str
    extra: Mapping[str, str]
    flags: str
    sends: bool = False
    settle: float = 0.0


class PeerError(Exception):
    """A process that is measured went away or does not answer; the text is for the reader of the report."""


@contextlib.contextmanager
def noted(notes: Notes, peer: Peer, where: str) -> Iterator[None]:
    """Note what keeps a peer from being measured; the measurements go on behind the body."""
    try:
        yield
    except PeerError as error:
        notes[peer.name, where] = str(error)


def last_words(log: pathlib.Path) -> str:
    """Return the last line that a process wrote into its log."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"


class Driven:
    """A running driver."""

    def __init__(self, process: subprocess.Popen[str], log: pathlib.Path, mode: Mode) -> None:
        self.process = process
        self.log = log
        self.mode = mode
        self.last: dict[str, float] = {}

    def work(self, seconds: float, batch: int = BATCH, settle: float | None = None) -> dict[str, float]:
        """Have the driver make requests and return what it measured, see driver.py; raises PeerError.

        `settle` is the mode's where none is given.
        """
        mode = self.mode
        settle = mode.settle if settle is None else settle
        wanted = {"seconds": seconds, "flags": mode.flags, "sends": mode.sends, "settle": settle, "batch": batch}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        # What it said before it went is told below.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(wanted) + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            # An application or a peer may print lines of its own.
            if line.startswith("{"):
                self.last = json.loads(line)
                return self.last
        raise PeerError(last_words(self.log))


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
def endpoint(folder: pathlib.Path, delay: float = 0.0) -> Iterator[Place]:
    """Run the endpoint in a process of its own; it answers posts `delay` seconds late."""
    certificate = folder / "endpoint.pem"
    words = [sys.executable, "-m", "benchmarks.endpoint", f"--delay={delay}"]
    if shutil.which("openssl"):
        make_certificate(certificate)
        words.append(f"--certificate={certificate}")
    with running(words, folder / "endpoint.log", cwd=HERE.parent) as process:
        assert process.stdout is not None
        yield Place(f"http://127.0.0.1:{int(process.stdout.readline())}", folder, certificate)


def make_certificate(path: pathlib.Path) -> None:
    """Write a key and a certificate for 127.0.0.1 that is its own authority."""
    words = shlex.split(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        " -addext subjectAltName=IP:127.0.0.1 -keyout - -out -"
    )
    path.write_bytes(subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout)


@contextlib.contextmanager
def driver(peer: Peer, framework: str, mode: Mode, place: Place) -> Iterator[Driven]:
    """Run the application of a framework under a peer."""
    key = str(uuid.uuid4())
    env = environments.environment(peer, framework, {**peer.hurried, **mode.extra}, place.names(key))
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
