"""The servers of the demonstration: each sample application under `autotrace run`, stopped by its own pid."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import MutableMapping, NamedTuple, Sequence

APPS = Path(__file__).with_name("apps")
# Seconds that a server may take from SIGTERM to its end.
STOP = 10.0
# What would change the servers: settings of ours, of theirs, and of the platform that a role is told from.
FOREIGN = (
    *("AUTOTRACE_", "_AUTOTRACE_", "APPLICATIONINSIGHTS_", "APPINSIGHTS_", "OTEL_", "FUNCTIONS_", "DJANGO_"),
    *("FLASK_", "GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "XDG_RUNTIME_DIR"),
)
# How a server is told to serve the listening socket that it inherits: no port can be taken in between.
LISTEN = {"gunicorn": "--bind=fd://{}", "uvicorn": "--fd={}"}


class Sample(NamedTuple):
    """A sample application: its name, the packages of its framework and server, and the server's target."""

    name: str
    framework: str
    server: str
    target: str

    def command(self) -> str:
        """Return the command that a user would type, in the directory of the application."""
        return f"autotrace run {self.server} {self.target}"

    def versions(self) -> str:
        """Return what runs, such as `Flask 3.1.0 under gunicorn 23.0.0`."""
        version = importlib.metadata.version
        framework = f"{self.framework.title()} {version(self.framework)}"
        return f"{framework} under {self.server} {version(self.server)}"


# Each after those that it asks.
SAMPLES = (
    Sample("stock", "pyramid", "gunicorn", "stock:app"),
    Sample("catalogue", "django", "uvicorn", "catalogue:application"),
    Sample("shop", "flask", "gunicorn", "shop:app"),
)


class Server(NamedTuple):
    """A started server, the port it serves and the file of what it says."""

    sample: Sample
    process: subprocess.Popen[bytes]
    port: int
    log: Path


def missing_packages() -> list[str]:
    """Return the packages that the samples need and this Python does not have."""
    needed = {name: None for sample in SAMPLES for name in (sample.framework, sample.server)}
    return [name for name in (*needed, "requests") if importlib.util.find_spec(name) is None]


def environment(folder: Path, store: Path) -> dict[str, str]:
    """Return the servers' environment: the caller's without what would change them, files in `folder`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environ.update(
        AUTOTRACE_BLACKLIST_PATHS="/health",
        AUTOTRACE_LOCAL_STORE=str(store),
        AUTOTRACE_LOGS="info",
        AUTOTRACE_SPOOL_DIR=str(folder / "spool"),
        CATALOGUE_FILE=str(folder / "catalogue.db"),
        # The services ask each other.
        NO_PROXY="127.0.0.1",
    )
    return environ


def start(sample: Sample, folder: Path, environ: MutableMapping[str, str]) -> Server:
    """Start a sample under `autotrace run` on a free port of loopback; its files go to `folder`.

    `environ` gets its address, for those that are started after it.
    """
    home = folder / sample.name
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener, open(home / "log", "wb") as log:
        serve = [sys.executable, "-m", sample.server, LISTEN[sample.server].format(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "autotrace", "run", *serve, sample.target],
            cwd=APPS,
            # Where gunicorn puts its control socket, which two servers must not share.
            env={**environ, "AUTOTRACE_ROLE_NAME": sample.name, "XDG_RUNTIME_DIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            # Ctrl-C in the terminal is for this process alone, which then stops its servers.
            start_new_session=True,
        )
        environ[f"{sample.name.upper()}_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return Server(sample, process, listener.getsockname()[1], home / "log")


def stop(servers: Sequence[Server]) -> None:
    """End the servers: SIGTERM to each pid, SIGKILL to one that is still there after STOP seconds."""
    for server in servers:
        server.process.terminate()
    end = time.monotonic() + STOP
    for server in servers:
        try:
            server.process.wait(max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
