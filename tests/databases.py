"""Real database servers on loopback, each with a folder and a free port of its own, ended by its pid."""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import Iterator, NamedTuple, Sequence

from tests.harness import free_port
from tests.needs import need

START = 60.0
_CLERK = "clerk@'127.0.0.1'"


class Database(NamedTuple):
    """A running server: where it listens, and the name of the database, the user and the password."""

    host: str
    port: int
    name: str = "shop"
    user: str = "clerk"
    password: str = "hunter2"  # noqa: S105 - of a server that lives for a test


@contextlib.contextmanager
def postgresql() -> Iterator[Database]:
    """Run a PostgreSQL server."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    binary = pathlib.Path(found[-1] if found else os.path.dirname(shutil.which("postgres") or "/"))
    need((binary / "postgres").exists(), "PostgreSQL is not installed (apt-get install postgresql)")
    with _folder("postgres") as folder:
        data = folder / "data"
        # Root may not run it.
        _run(_as("postgres", [str(binary / "initdb"), "--auth=trust", "--username=clerk", "-N", str(data)]))
        database = Database("127.0.0.1", free_port())
        words = [
            str(binary / "postgres"),
            "-D",
            str(data),
            "-p",
            str(database.port),
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        with _server(
            _as(
                "postgres", [*words, "-c", f"unix_socket_directories={folder}", "-c", "fsync=off", "-c", "timezone=UTC"]
            ),
            database,
        ):
            create = [str(binary / "createdb"), "-h", "127.0.0.1", "-p", str(database.port), "-U", "clerk", "shop"]
            _run(create, patience=START)
            yield database


@contextlib.contextmanager
def mysql() -> Iterator[Database]:
    """Run a MariaDB server, which MySQL's clients take for one of theirs."""
    server = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    need(server, "MariaDB is not installed (apt-get install mariadb-server)")
    assert server is not None
    with _folder("mysql") as folder:
        data = folder / "data"
        _run(
            _as(
                "mysql",
                [
                    "mariadb-install-db",
                    "--no-defaults",
                    f"--datadir={data}",
                    "--auth-root-authentication-method=normal",
                ],
            )
        )
        database = Database("127.0.0.1", free_port())
        start = folder / "start.sql"
        lines = (
            "CREATE DATABASE shop",
            f"CREATE USER {_CLERK} IDENTIFIED BY 'hunter2'",
            f"GRANT ALL ON shop.* TO {_CLERK}",
        )
        start.write_text("".join(f"{line};\n" for line in lines))
        start.chmod(0o644)
        words = [server, "--no-defaults", f"--datadir={data}", f"--port={database.port}", "--bind-address=127.0.0.1"]
        words += [
            f"--socket={folder}/socket",
            f"--init-file={start}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        with _server(_as("mysql", words), database):
            yield database


@contextlib.contextmanager
def redis(*options: str) -> Iterator[Database]:
    """Run a Redis server; `options` are more of its command line."""
    need(shutil.which("redis-server"), "Redis is not installed (apt-get install redis-server)")
    with _folder("redis") as folder:
        database = Database("127.0.0.1", free_port(), name="0")
        words = [
            "redis-server",
            "--port",
            str(database.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
            *options,
        ]
        with _server(_as("redis", words), database):
            yield database


@contextlib.contextmanager
def _folder(user: str) -> Iterator[pathlib.Path]:
    """Make a folder that belongs to a user of the system; outside of pytest's, which only we may enter."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"autotrace-{user}-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as(user: str, words: Sequence[str]) -> list[str]:
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", *words] if os.geteuid() == 0 else [*words]


def _run(words: Sequence[str], patience: float = 0.0) -> None:
    """Run a command until it ends well, for as long as patience lasts; a server that starts may still refuse."""
    end = time.monotonic() + patience
    while True:
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode == 0:
            return
        assert time.monotonic() < end, f"{words}\n{done.stdout}\n{done.stderr}"
        time.sleep(0.1)


@contextlib.contextmanager
def _server(words: Sequence[str], database: Database) -> Iterator[None]:
    """Run a server that listens, until the block ends."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/")
        try:
            end = time.monotonic() + START
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection((database.host, database.port), 1).close()
                    break
                output.seek(0)
                assert process.poll() is None, output.read().decode("utf-8", "replace")
                assert time.monotonic() < end, f"{words[0]} does not listen"
                time.sleep(0.05)
            yield
        finally:
            # To PostgreSQL it means that nobody waits for clients.
            process.send_signal(signal.SIGINT if "postgres" in " ".join(words) else signal.SIGTERM)
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
