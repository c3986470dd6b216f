"""Real processes for tests: servers with and without `autotrace run`, commands, and clients for them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

from tests.endpoint import Endpoint

APPS = pathlib.Path(__file__).parent / "apps"
BIN = pathlib.Path(sys.executable).parent
OURS = ("AUTOTRACE_", "_AUTOTRACE_", "APPLICATIONINSIGHTS_", "APPINSIGHTS_", "OTEL_", "PYTHON", "WEBSITE_")
START, STOP, ANSWER = 30.0, 30.0, 30.0
# No server hands it to an application, but for uWSGI.
NO_REQUEST = b"?\r\n\r\n"


class Completed(NamedTuple):
    """What a finished command left: exit code and the two outputs as text."""

    code: int
    stdout: str
    stderr: str


class Request(NamedTuple):
    """One request for `load`."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Answer(NamedTuple):
    """What `load` got for one request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """A running server: `port`, `process`, and its captured outputs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: pathlib.Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder
        self.reached = folder / "reached"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the server's own pid and return its exit code; fail when it does not stop."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {STOP} s\n{self.stderr()}") from None

    def kill(self) -> None:
        """Kill the server and what it started: they are a session of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP)

    def stdout(self) -> str:
        return (self.folder / "stdout").read_text("utf-8", "replace")

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text("utf-8", "replace")

    def reached_count(self) -> int:
        """Count the requests that gunicorn or uvicorn handed to the application so far."""
        if self.reached.exists():
            return len(self.reached.read_text().splitlines())
        return len(re.findall(r' - ".* HTTP/1\.\d" ', self.stdout()))


@contextlib.contextmanager
def serve(
    command: Sequence[str],
    folder: pathlib.Path,
    endpoint: Endpoint | None = None,
    env: Mapping[str, str] | None = None,
    traced: bool = True,
    apps: pathlib.Path = APPS,
    probe: bytes = NO_REQUEST,
) -> Iterator[Server]:
    """Run a server command (see `gunicorn` and the others below) until the block ends, then SIGTERM.

    `{port}` in the command becomes a free port. With `traced`, `autotrace run` goes in front. The server has
    its HOME, spool and outputs in `folder`, runs in `apps`, and sends to `endpoint` when one is given. It is up
    when it answers `probe`.
    """
    for _ in range(3):
        server = start(command, folder, endpoint, env or {}, traced, apps)
        try:
            wait_until_up(server, probe)
            break
        except OSError:
            # Another process took the port between its choice and the server's bind.
            server.kill()
    else:
        raise AssertionError(f"the server did not start: {command}\n{server.stderr()}")
    try:
        yield server
        server.stop()
    finally:
        server.kill()


def start(
    command: Sequence[str],
    folder: pathlib.Path,
    endpoint: Endpoint | None,
    env: Mapping[str, str],
    traced: bool,
    apps: pathlib.Path = APPS,
) -> Server:
    """Start a server command as `serve` describes it, without waiting for it."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    if traced:
        words = [script("autotrace"), "run", *words]
    files = {"APP_REACHED": str(folder / "reached"), "APP_GATE": str(folder / "gate")}
    extra = {**files, "APP_BIND": f"127.0.0.1:{port}"}
    with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            words,
            cwd=apps,
            env={**environment(folder, endpoint), **extra, **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return Server(process, port, folder)


def wait_until_up(server: Server, probe: bytes = NO_REQUEST) -> None:
    """Wait until the server answers `probe`, which is to be nothing that an application records."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        if server.process.poll() is not None:
            if "in use" in server.stderr():
                raise OSError("the port was taken")
            raise AssertionError(f"the server ended with {server.process.returncode}\n{server.stderr()}")
        with contextlib.suppress(OSError):
            if exchange(server.port, probe, 5):
                return
        time.sleep(0.02)
    raise AssertionError(f"the server did not answer within {START} s\n{server.stderr()}")


def wait_until(met: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until a condition is met; fail when `seconds` passed first."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"not met within {seconds} s"
        time.sleep(0.02)


def gunicorn(app: str, workers: int = 1, threads: int = 1) -> list[str]:
    """The gunicorn command for an application, with the sync worker, or gthread for more than one thread."""
    return [script("gunicorn"), f"--workers={workers}", f"--threads={threads}", "--keep-alive=20", app]


def uvicorn(app: str, workers: int = 1) -> list[str]:
    """The uvicorn command for an application; its access log tells which requests reached the application."""
    options = ["--host=127.0.0.1", "--port={port}", f"--workers={workers}", "--timeout-keep-alive=20"]
    return [script("uvicorn"), *options, "--http=h11", "--loop=asyncio", app]


def wsgiref(app: str) -> list[str]:
    """The command that serves an application with the standard library's server."""
    return [sys.executable, "serve_wsgiref.py", "{port}", app]


def waitress(app: str) -> list[str]:
    """The waitress command for an application."""
    return [script("waitress-serve"), "--listen=127.0.0.1:{port}", app]


def script(name: str) -> str:
    """Return the path of a console script of this Python environment."""
    return str(BIN / name)


def environment(folder: pathlib.Path, endpoint: Endpoint | None = None, exporter: str = "console") -> dict[str, str]:
    """Build a clean environment whose home and spool are in `folder`; `exporter` counts where there is no endpoint.

    That of nobody's choice says a line about itself at each start.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', '')}"
    env.update(HOME=str(folder), AUTOTRACE_SPOOL_DIR=str(folder / "spool"), PYTHONUNBUFFERED="1")
    if endpoint is not None:
        env["APPLICATIONINSIGHTS_CONNECTION_STRING"] = endpoint.connection_string
    elif exporter:
        env["AUTOTRACE_EXPORTER"] = exporter
    return env


def run_command(
    words: Sequence[str], env: Mapping[str, str], seconds: float = 60, cwd: pathlib.Path = APPS
) -> Completed:
    """Run a command to its end and return what it left."""
    done = subprocess.run(
        list(words), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
    )
    stdout, stderr = (output.decode("utf-8", "replace") for output in (done.stdout, done.stderr))
    return Completed(done.returncode, stdout, stderr)


def run_code(code: str, env: Mapping[str, str], traced: bool = True, seconds: float = 60) -> Completed:
    """Run Python code in tests/apps to its end, by default under `autotrace run`."""
    words = [sys.executable, "-c", code]
    return run_command([script("autotrace"), "run", *words] if traced else words, env, seconds)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def exchange(port: int, raw: bytes, seconds: float = ANSWER) -> bytes:
    """Send bytes over one connection and return all that comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        received = bytearray()
        try:
            connection.sendall(raw)
            while True:
                chunk = connection.recv(65_536)
                if not chunk:
                    break
                received += chunk
        except ConnectionError:
            # The server closed before it had read everything: what it said until then counts.
            pass
        return bytes(received)


def request(method: str, target: str, *headers: str, body: bytes = b"", host: str = "shop.test") -> bytes:
    """Spell a request as bytes; `headers` are whole lines, with bad bytes as surrogate escapes."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def mask(raw: bytes) -> bytes:
    """Replace what differs from one exchange to the next: the Date header."""
    return re.sub(rb"(?mi)^date: [^\r\n]*", b"date: (masked)", raw)


def load(port: int, requests: Sequence[Request], connections: int = 8) -> list[Answer]:
    """Send requests over kept-alive connections, each in a thread of its own; return the answers in order."""
    answers: dict[int, Answer] = {}
    errors: list[BaseException] = []

    def talk(first: int) -> None:
        client = HTTPConnection("127.0.0.1", port, timeout=ANSWER)
        try:
            for index in range(first, len(requests), connections):
                answers[index] = ask(client, requests[index])
        except BaseException as error:
            errors.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=talk, args=(first,)) for first in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise AssertionError(f"{len(errors)} connections failed, the first with {errors[0]!r}") from errors[0]
    return [answers[index] for index in range(len(requests))]


def ask(client: HTTPConnection, wanted: Request) -> Answer:
    """Send one request over a client's connection and read the whole answer."""
    client.request(wanted.method, wanted.target, wanted.body or None, dict(wanted.headers))
    response = client.getresponse()
    body = response.read()
    if wanted.headers.get("Connection") == "close":
        # Some servers close the connection without saying so.
        client.close()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
